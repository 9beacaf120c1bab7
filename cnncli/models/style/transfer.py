"""Style transfer: a picture whose costs are small, found by L-BFGS from coarse to fine."""

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from threading import Event
from time import perf_counter
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array, as_numbers
from cnncli.data.pictures import Reading, fitted, read_picture
from cnncli.data.resizing import resized
from cnncli.engines.blas import single_threaded_blas
from cnncli.errors import ArgumentError, ImageError, TrainingError
from cnncli.images.sources import MAX_PIXELS
from cnncli.models.opening import as_trainable
from cnncli.models.predictor import AnyPath, PictureModel
from cnncli.models.style.colors import brightness, matched, recolored
from cnncli.models.style.networks import JudgingNetwork, random_network
from cnncli.models.style.objective import Judged, Measures, Objective, Style, Term, Weights
from cnncli.models.style.options import SIZE, StyleOptions
from cnncli.networks.errors import ShapeError
from cnncli.shapes import show_shape

AnyPicture = AnyPath | Array

DEFAULTS = StyleOptions()
SMALLEST = 64  # pixels of the longer side of the coarsest level
KEPT_STEPS = 10  # of which L-BFGS estimates curvature
FIRST_STEP = 0.02  # change of a pixel, of 0 to 1, that L-BFGS tries first
NOISE = 20.0  # deviation, of 0 to 255, of what a texture begins with


class StyleReport(NamedTuple):
    """State of a style transfer after a step; levels and steps count from 1.

    Attributes:
        level: the size that is worked on.
        levels: number of sizes.
        step: evaluations of the gradient at this size.
        steps: how many there will be.
        terms: the costs of the best picture at this size: the line search of L-BFGS tries worse ones, too.
        best: (H, W, C), that picture on the scale 0 to 255.
    """

    level: int
    levels: int
    step: int
    steps: int
    terms: list[Term]
    best: Array

    @property
    def total(self) -> float:
        """The sum of the weighted costs."""
        return sum(term.share for term in self.terms)


class StyleWatcher:
    """Base observer of a style transfer: every hook does nothing."""

    def note(self, message: str) -> None:
        """A message for the user."""

    def begins(self, level: int, levels: int, shape: tuple[int, ...], tiles: int) -> None:
        """A size is begun."""

    def step(self, report: StyleReport) -> None:
        """A step is done."""


class StyleResult(NamedTuple):
    """What a style transfer made.

    Attributes:
        picture: (H, W, C), uint8.
        begins: the costs at the last size before its first step.
        ends: the costs of the picture there.
        steps: evaluations of the gradient at all sizes.
        done: False if it was told to stop.
        seconds: time it took.
    """

    picture: Array
    begins: list[Term]
    ends: list[Term]
    steps: int
    done: bool
    seconds: float


def transfer_style(
    content: AnyPicture | None,
    styles: AnyPicture | Sequence[AnyPicture],
    options: StyleOptions = DEFAULTS,
    model: PictureModel | JudgingNetwork | AnyPath | None = None,
    *,
    mask: AnyPicture | None = None,
    jobs: int = 1,
    watcher: StyleWatcher | None = None,
    stop: Event | None = None,
    max_pixels: int | None = MAX_PIXELS,
) -> StyleResult:
    """Give the content of a picture the style of others.

    The picture is found whose costs are smallest: that of layers whose outputs differ from the content's
    (`content_cost`), that of layers whose Gram matrices differ from the styles' (`style_cost`), and that of neighbours
    that differ (`variation_cost`). It begins with the content in the colours of the styles, or in its own where they
    are kept, at the coarsest size, and goes on at each size from the one before. Outside of pictures convolutions see
    their reflection, so that no frame shows. The same arguments give the same bits, with any number of threads.

    Args:
        content: a path, or an array (H, W) or (H, W, C); None for a texture, made of noise and the styles alone.
        styles: one or several.
        options: options.
        model: whose layers judge; a path as for `load_model`. None for `random_network`.
        mask: where the style goes: white for there, black for nowhere; resized to the content.
        jobs: threads.
        watcher: told of the progress.
        stop: set by another thread, or a signal, to stop early with the best picture so far.
        max_pixels: largest width x height of a picture file; None for any.

    Raises:
        ArgumentError: options that do not fit, such as an unknown layer (the message lists them), or too little memory.
        ImageError: a picture that cannot be read, or is too small for the layers.
        ModelError: a model that cannot be read, or has no layers of ours.
        TrainingError: costs that are no longer finite.

    Example:
        >>> found = transfer_style("samples/scene.jpg", "samples/disc.png", StyleOptions(size=32, steps=5))
        >>> found.picture.shape, sum(term.share for term in found.ends) < sum(term.share for term in found.begins)
        ((21, 32, 3), True)
    """
    # Products of matrices on one thread, so that their last bits do not depend on the number of cores.
    with single_threaded_blas(), np.errstate(all="ignore"):
        return _Transfer(content, styles, options, model, mask, jobs, watcher, stop, max_pixels).run()


class _DoneError(Exception):
    """Ends the descent at a size."""


class _Transfer:
    """The work of `transfer_style`, whose arguments these are."""

    def __init__(
        self,
        content: AnyPicture | None,
        styles: AnyPicture | Sequence[AnyPicture],
        options: StyleOptions,
        model: PictureModel | JudgingNetwork | AnyPath | None,
        mask: AnyPicture | None,
        jobs: int,
        watcher: StyleWatcher | None,
        stop: Event | None,
        max_pixels: int | None,
    ) -> None:
        self.options, self.watcher, self.stop = options, watcher or StyleWatcher(), stop or Event()
        self.judge = _judge(model, options.seed)
        self.weights = _weights(self.judge, options, with_content=content is not None)
        read = partial(_read, channels=self.judge.channels, max_pixels=max_pixels)
        self.content = None if content is None else read(content, "the content")
        self.styles = [read(style, "the style") for style in _several(styles)]
        self.mask = None if mask is None else _read(mask, "the mask", channels=1, max_pixels=max_pixels)
        if self.mask is not None and not self.mask.any():
            raise ArgumentError("the mask is black throughout, so the style would go nowhere: make a part of it white")
        self.shares = _style_shares(options, len(self.styles))
        size = None if options.memory is None else options.memory - self._beside()
        self.measures = Measures(self.judge, self.weights.layers, memory=size, jobs=jobs)
        self.steps = 0

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the result."""
        given = self.styles[0] if self.content is None else self.content
        height, width = given.shape[:2]
        return _within((height, width), self.options.size or min(SIZE, max(height, width)))

    def _beside(self) -> int:
        """Return the bytes that L-BFGS takes, about."""
        return (2 * KEPT_STEPS + 12) * 8 * self.size[0] * self.size[1] * self.judge.channels

    def run(self) -> StyleResult:
        """Return the result."""
        begun = perf_counter()
        self._note_odd_pictures()
        sizes = self._sizes()
        picture: Array | None = None
        for level, size in enumerate(sizes, 1):
            objective, content = self._objective(size)
            start = self._start(picture, content, size)
            self.watcher.begins(level, len(sizes), start.shape, len(objective.tiling.tiles))
            descent = _Descent(self, objective, start, level, len(sizes))
            picture = descent.run()
            self.steps += descent.step
            if self.stop.is_set():
                break
        assert picture is not None
        final = self._finished(picture)
        return StyleResult(
            final, descent.first.terms, descent.best.terms, self.steps, not self.stop.is_set(), perf_counter() - begun
        )

    def _sizes(self) -> list[tuple[int, int]]:
        """Return the sizes, coarse to fine."""
        longest = max(self.size)
        longer = [longest / 2**level for level in range(self.options.levels)]
        return [_within(self.size, round(side)) for side in reversed(longer) if side >= min(SMALLEST, longest)]

    def _objective(self, size: tuple[int, int]) -> tuple[Objective, Array | None]:
        """Return the costs at a size, and the content there."""
        content = None if self.content is None else resized(self.content, size)
        shape = (*size, self.judge.channels)
        styles = []
        try:
            for picture, share in zip(self.styles, self.shares, strict=True):
                grams, positions = self.measures.grams(self._style(picture, size), list(self.weights.style))
                styles.append(Style({name: matrix / positions[name] for name, matrix in grams.items()}, share))
            judged = content if content is None or self.options.keep_colors != "luminance" else brightness(content)
            mask = None if self.mask is None else resized(self.mask, size)[..., 0] / 255
            relative = self.options.units == "relative"
            return (
                Objective(self.measures, self.weights, judged, styles, shape, mask=mask, relative=relative),
                judged,
            )
        except ShapeError as error:
            raise ImageError(f"a picture of {show_shape(size)} is too small for the layers: {error}") from error

    def _style(self, picture: Array, size: tuple[int, int]) -> Array:
        """Return a style as it is used for a result of a size."""
        longest = self.options.style_size or max(self.size)
        wanted = min(max(picture.shape[:2]), longest) * max(size) / max(self.size)
        height, width = picture.shape[:2]
        shrunk = resized(picture, _within((height, width), max(1, round(wanted))))
        if self.content is None or not self.options.keep_colors:
            return shrunk
        if self.options.keep_colors == "matching":
            return matched(shrunk, self.content)
        return matched(brightness(shrunk)[..., :1], brightness(self.content)[..., :1]).repeat(picture.shape[2], axis=2)

    def _start(self, before: Array | None, content: Array | None, size: tuple[int, int]) -> Array:
        """Return the picture that a size begins with: the one before, with the content's detail of this size."""
        if before is None:
            return self._noise(size) if content is None else self._repainted(content)
        larger = resized(before, size)
        if content is None:
            return larger
        height, width = before.shape[:2]
        detail = content - resized(resized(content, (height, width)), size)
        start: Array = np.clip(larger + detail, 0, 255)
        return start

    def _repainted(self, content: Array) -> Array:
        """Return a content in the colours of the styles, which L-BFGS takes many steps to find."""
        if self.options.keep_colors:
            return content.astype(np.float32)
        painted = [matched(content, style) for style in self.styles]
        mixed: Array = np.zeros(content.shape, np.float32)
        for share, picture in zip(self.shares, painted, strict=True):
            mixed += np.float32(share) * picture
        return mixed

    def _noise(self, size: tuple[int, int]) -> Array:
        rng = np.random.default_rng(self.options.seed)
        mean = np.mean([style.mean(axis=(0, 1)) for style in self.styles], axis=0)
        noise = mean + rng.normal(0, NOISE, (*size, self.judge.channels))
        start: Array = np.clip(noise, 0, 255).astype(np.float32)
        return start

    def _finished(self, picture: Array) -> Array:
        """Return the result of what was found at the last size: in full size, in the colours that were asked for."""
        full = resized(picture.astype(np.float32), self.size)
        content = None if self.content is None else resized(self.content, self.size)
        if content is not None and self.options.keep_colors == "luminance":
            full = recolored(full, content)
        if content is not None and self.mask is not None:
            share = resized(self.mask, self.size) / 255
            full = full * share + content * (1 - share)
        return np.rint(full).clip(0, 255).astype(np.uint8)

    def _note_odd_pictures(self) -> None:
        """Say where there is nothing to transfer."""
        for style in self.styles:
            if np.ptp(style, axis=(0, 1)).max() == 0:
                self.watcher.note("a style is of one colour: it has no texture to give")
            if self.content is not None and np.array_equal(style, self.content):
                self.watcher.note("content and style are the same picture: there is nothing to transfer")


class _Descent:
    """L-BFGS at one size."""

    def __init__(self, owner: _Transfer, objective: Objective, start: Array, level: int, levels: int) -> None:
        self.owner, self.objective, self.start, self.level, self.levels = owner, objective, start, level, levels
        # L-BFGS first tries a step of length 1: that is to change pixels by FIRST_STEP.
        self.unit = 255 * FIRST_STEP * start.size**0.5
        self.step = 0
        self.found = start
        self.first: Judged
        self.best: Judged

    def run(self) -> Array:
        """Return the best picture."""
        from scipy.optimize import Bounds, minimize  # 0.2 s, for this command alone

        options = {"maxiter": self.owner.options.steps, "maxcor": KEPT_STEPS, "ftol": 0, "gtol": 0}
        start = self.start.ravel().astype(np.float64) / self.unit
        with suppress(_DoneError):
            minimize(
                self._evaluate, start, jac=True, method="L-BFGS-B", bounds=Bounds(0, 255 / self.unit), options=options
            )
        return self.found

    def _evaluate(self, numbers: Array) -> tuple[float, Array]:
        picture = (numbers * self.unit).reshape(self.start.shape)
        judged = self.objective(picture)
        self.step += 1
        _check_finite(judged, self.step)
        if self.step == 1:
            self.first = judged
        if self.step == 1 or judged.total < self.best.total:
            self.best, self.found = Judged(judged.terms, np.empty(0)), picture.astype(np.float32)
        options = self.owner.options
        self.owner.watcher.step(
            StyleReport(self.level, self.levels, self.step, options.steps, self.best.terms, self.found)
        )
        if self.step >= options.steps or self.owner.stop.is_set():
            raise _DoneError
        return judged.total, judged.gradient.ravel() * self.unit


def _check_finite(judged: Judged, step: int) -> None:
    """Stop where costs or their gradient are no longer finite."""
    broken = [term for term in judged.terms if not np.isfinite(term.share)]
    wrong = min(broken, key=lambda term: float(term.layer.partition(".")[0] or "inf"), default=None)
    if wrong is None and np.isfinite(judged.gradient).all():
        return
    place = "the gradient" if wrong is None else f"the {wrong.kind} cost of layer {wrong.layer}"
    raise TrainingError(
        f"step {step}: {place} is no longer finite: the weights of the network are too large, or the numbers that it "
        "expects of pictures are others (--normalize)"
    )


def _judge(model: PictureModel | JudgingNetwork | AnyPath | None, seed: int) -> JudgingNetwork:
    if isinstance(model, JudgingNetwork):
        return model
    return random_network(seed) if model is None else JudgingNetwork.of(as_trainable(model))


def _weights(judge: JudgingNetwork, options: StyleOptions, *, with_content: bool) -> Weights:
    """Return the weight of each layer."""
    content = options.content or dict.fromkeys(judge.content, 1 / len(judge.content))
    style = options.style or dict.fromkeys(judge.style, 1 / len(judge.style))
    judge.check({**content, **style})
    return Weights(
        {name: options.content_weight * share for name, share in content.items()} if with_content else {},
        {name: options.style_weight * share for name, share in style.items()},
        options.tv,
    )


def _style_shares(options: StyleOptions, count: int) -> tuple[float, ...]:
    if not count:
        raise ArgumentError("style transfer needs a style: give one picture or more")
    if options.shares is not None and len(options.shares) != count:
        raise ArgumentError(f"{len(options.shares)} weights for {count} styles: give one for each")
    return options.shares or (1 / count,) * count


def _several(styles: AnyPicture | Sequence[AnyPicture]) -> Sequence[AnyPicture]:
    """Return the styles as a list, which one may stand for."""
    return [styles] if isinstance(styles, str | os.PathLike | np.ndarray) else styles


def _read(picture: AnyPicture, name: str, *, channels: int, max_pixels: int | None) -> Array:
    """Return a picture (H, W, C) on the scale 0 to 255, float32."""
    reading = Reading(channels=channels, max_pixels=max_pixels)
    if isinstance(picture, str | os.PathLike):
        pixels = read_picture(os.fspath(picture), reading)
    else:
        array = as_numbers(picture, name)
        pixels = fitted(array, reading, name, picture=array.dtype == np.uint16)
    if not np.isfinite(pixels).all():
        raise ImageError(f"{name} holds numbers that are not finite")
    return pixels.astype(np.float32)


def _within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Return a size in the same proportions, by its longer side."""
    factor = longest / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
