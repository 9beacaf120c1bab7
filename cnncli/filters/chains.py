"""Chains: filter words in a row, as a user writes them, made ready to be applied.

chain = step { " " step }; step = name [ ":" argument { "," argument } ]. The step `kernel` is a kernel of the user's.
"""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.choices import DIRECTIONS
from cnncli.errors import ArgumentError
from cnncli.filters.arguments import file_words
from cnncli.filters.bands import ArrayRows, image_rows
from cnncli.filters.kernel_files import KERNEL_SUFFIXES, read_kernel
from cnncli.filters.named import DEFAULT, FILTERS, Look, find_filter
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.linear import dense
from cnncli.filters.operators.operator import Operator
from cnncli.filters.operators.responses import Image, Response
from cnncli.ops.borders import Rows
from cnncli.values import remembered

KERNEL = "kernel"
"""The step of a chain that is a kernel of the user's."""


class Step(NamedTuple):
    """One step of a chain.

    Attributes:
        word: as the user wrote it.
        name: the same for names of files: letters, digits, `.` and `-`.
        operator: what it does.
        look: the default rendering of its response.
        last: whether nothing may follow it.
    """

    word: str
    name: str
    operator: Operator
    look: Look = Look()
    last: bool = False

    @classmethod
    def parse(cls, word: str) -> "Step":
        """Return the step that a filter word stands for.

        Raises:
            ArgumentError: an unknown name, or arguments that it does not take.

        Example:
            >>> Step.parse("box:3x5").name
            'box3x5'
        """
        name, colon, _ = word.partition(":")
        entry = find_filter(name or word)
        operator, values = entry.operator(word)
        named = name + (file_words(values) if colon else "")
        return cls(word, named, operator, entry.look, entry.last)

    @classmethod
    def of_kernel(cls, kernel: npt.ArrayLike, name: str = KERNEL) -> "Step":
        """Return the step that correlates with a user's kernel (f_h, f_w) or (f_h, f_w, C).

        Raises:
            ArgumentError: the numbers are not a kernel.
        """
        operator = dense(kernel)
        color = "volume" if operator.weights[0].ndim == 3 else "gray"
        return cls(KERNEL, name, operator, Look("soft" if _is_balanced(kernel) else "unit", color=color))


class Chain(NamedTuple):
    """One or more steps, each made of the response to the one before.

    Attributes:
        steps: in order.
    """

    steps: tuple[Step, ...]

    @classmethod
    def of(
        cls,
        filter: "str | npt.ArrayLike",  # noqa: A002
        direction: str | None = None,
        *,
        kernel: Step | None = None,
    ) -> "Chain":
        """Return the chain of filter words, or of a kernel.

        Args:
            filter: words such as `gaussian:1.4 sobel`, or a kernel (f_h, f_w) or (f_h, f_w, C).
            direction: of the last step: `vertical`, `horizontal`, `magnitude` (what a pair gives unless told) or
                `angle`.
            kernel: the step that the word `kernel` stands for.

        Raises:
            ArgumentError: a word that is not one, a direction for a filter without one, or numbers that are not a
                kernel.

        Example:
            >>> Chain.of("gaussian:2 sobel").name
            'gaussian2-sobel'
        """
        if isinstance(filter, str):
            steps = tuple(_step(word, kernel) for word in filter.split())
        else:
            steps = (Step.of_kernel(filter),)
        if not steps:
            raise ArgumentError(f"a filter is a word, or words in a row such as 'gaussian:2 sobel', got {filter!r}")
        for step in steps[:-1]:
            if step.last:
                raise ArgumentError(f"{step.word} must be the last word of {filter!r}: it makes black and white")
        return cls(steps).directed(direction)

    def directed(self, direction: str | None) -> "Chain":
        """Return the chain with a direction for its last step.

        Raises:
            ArgumentError: an unknown direction, or a filter without one.
        """
        if direction is None:
            return self
        if direction not in DIRECTIONS:
            raise ArgumentError(f"unknown direction {direction!r}: the directions are {', '.join(DIRECTIONS)}")
        *steps, last = self.steps
        operator = last.operator.directed(direction)
        if operator is None:
            able = ", ".join(name for name in FILTERS if Step.parse(name).operator.directed(direction))
            given = "a kernel" if last.word == KERNEL else repr(last.word)
            raise ArgumentError(f"direction {direction!r} needs a filter that has directions ({able}), got {given}")
        return Chain((*steps, last._replace(operator=operator)))

    @property
    def name(self) -> str:
        """The name for files and reports: letters, digits, `.` and `-`, but for a kernel's own name."""
        return "-".join(step.name for step in self.steps)

    @property
    def words(self) -> str:
        """The words as the user wrote them; a kernel by its own name."""
        return " ".join(step.name if step.word == KERNEL else step.word for step in self.steps)

    @property
    def last(self) -> Step:
        """The last step."""
        return self.steps[-1]

    @property
    def color(self) -> str:
        """The default color: `volume` for a kernel with channels, `each` if all leave a photograph a photograph."""
        if self.last.look.color == "volume":
            return "volume"
        return "each" if all(step.look.color == "each" for step in self.steps) else "gray"

    @property
    def scale(self) -> str:
        """The default scale: that of the last step, but `soft` too where blurs follow a step that finds edges."""
        blurred = self.last.look.scale == "unit" and not self.last.last
        return "soft" if blurred and any(step.look.scale == "soft" for step in self.steps) else self.last.look.scale

    @property
    def is_angle(self) -> bool:
        """True if the response is an angle."""
        return self.last.operator.direction == "angle"

    @property
    def unit(self) -> float:
        """The response to a full step between 0 and 1."""
        return self.over(image_rows(np.zeros((1, 1, self.channels)))).full_step

    @property
    def channels(self) -> int:
        """The channels that the last step's kernel covers; 1 for one that serves any."""
        kernels = self.last.operator.kernels
        return kernels[0].shape[2] if kernels and len(kernels[0].shape) == 3 else 1

    def edge(self, filtering: Filtering = Filtering(), channels: int | None = None) -> float:
        """Return the largest response to a straight edge between 0 and 1, or `unit` if there is no response.

        It is measured, so that it is right for chains too: their `unit`, a product, takes no account of what a blur
        leaves of an edge. Edges are upright and level; `gabor` is turned so that its wave crosses one.

        Args:
            filtering: its color, dilation, `flip` and activation count.
            channels: of the image, for color `volume`; None for those of the kernel.
        """
        channels, color = channels or self.channels, filtering.color or self.color
        plain = filtering.replace(color=color, stride=1, padding="same", padding_mode="replicate", bias=0)
        memory = _edges(self.last.operator, tuple(step.word for step in self.steps), plain, channels)
        if not memory:
            found = max(self._along(axis, plain, channels) for axis in (0, 1))
            memory.append(float(f"{found:.6g}") or self.unit)  # rounded: the last bits depend on the BLAS
        return memory[0]

    def _along(self, axis: int, filtering: Filtering, channels: int) -> float:
        """Return the largest response to edges that run along an axis."""
        flat = Chain(tuple(step._replace(operator=step.operator.along(axis)) for step in self.steps))
        shape = (1, 1, channels) if filtering.color == "volume" else (1, 1)
        windows = flat.over(ArrayRows(np.zeros(shape)), filtering).windows
        bar = np.zeros(shape).repeat(3 * sum(max(window.span) for window in windows) or 3, axis=1 - axis)
        ends = bar.shape[1 - axis] // 3
        np.moveaxis(bar, 1 - axis, 0)[ends:-ends] = 1
        return float(np.abs(flat.over(ArrayRows(bar), filtering).rows(0, len(bar))).max())

    def check(self, filtering: Filtering) -> None:
        """Refuse options that mean nothing for the last step.

        Raises:
            ArgumentError: there is one.
        """
        self.last.operator.check(self.last.word, filtering)

    def over(self, image: Rows, filtering: Filtering = Filtering()) -> Response:
        """Return the response of an image.

        Raises:
            ArgumentError: the image is too small, or an option does not suit the filter.
        """
        self.check(filtering)
        color = filtering.color or self.color
        response: Response = Image(image, gray=color == "gray")
        # By its place: `kernel kernel` is one step twice.
        for number, step in enumerate(self.steps, 1):
            own = filtering.replace(color=color) if number == len(self.steps) else filtering.inner
            response = step.operator.over(response, own)
            response.word = step.word
        return response


def _is_balanced(kernel: npt.ArrayLike) -> bool:
    """Return whether the weights add up to 0, up to rounding, so that there is no response where nothing changes."""
    weights = np.asarray(kernel, np.float64)
    shares = weights / (np.abs(weights).max() or 1)  # sums of the weights themselves may overflow
    return bool(abs(shares.sum()) <= 1e-9 * np.abs(shares).sum())


@remembered
def _edges(operator: Operator, words: tuple[str, ...], filtering: Filtering, channels: int) -> list[float]:
    """Return where `Chain.edge` keeps its result, empty at first: measuring takes a millisecond, for each picture."""
    return []


def _step(word: str, kernel: Step | None) -> Step:
    if word != KERNEL:
        return Step.parse(word)
    if kernel is None:
        raise ArgumentError("the word 'kernel' stands for the kernel of --kernel (-k), and none was given")
    return kernel


def load_kernel(text: str) -> Step:
    """Return the kernel that a text holds, or a file, which gives it its name.

    Raises:
        ArgumentError: it cannot be read, the message says where; or it is a bank of several.

    Example:
        >>> load_kernel("1 0 -1; 2 0 -2; 1 0 -1").operator.weights[0].shape
        (3, 3)
    """
    steps = load_kernels(text)
    if len(steps) > 1:
        raise ArgumentError(
            f"{text} is a bank of {len(steps)} filters: choose one, {text}[0] to {text}[{len(steps) - 1}]"
        )
    return steps[0]


def load_kernels(text: str) -> tuple[Step, ...]:
    """Return the kernel that a text holds, or a file, which gives it its name; of a bank each filter, with its number.

    A bank is an array (f_h, f_w, C, n) in an `.npy`: n filters of C channels. `bank.npy[3]` is one of them, from 0.

    Raises:
        ArgumentError: it cannot be read, the message says where; or a bank without such a filter.
    """
    path, chosen = text, None
    if (found := _CHOSEN.fullmatch(text)) and not os.path.lexists(text):
        path, chosen = found[1], int(found[2])
    kernel = read_kernel(path)
    stem, suffix = os.path.splitext(os.path.basename(path))
    name = stem if suffix.lower() in KERNEL_SUFFIXES else KERNEL
    if kernel.ndim != 4 or not kernel.size:
        if chosen is not None:
            raise ArgumentError(f"{path} is not a bank of filters (f_h, f_w, C, n), of which one can be chosen")
        return (Step.of_kernel(kernel, name),)
    count = kernel.shape[3]
    if chosen is not None and chosen >= count:
        raise ArgumentError(f"{path} is a bank of {count} filters, from 0 to {count - 1}: there is no filter {chosen}")
    # A filter of one channel is a kernel for any image.
    bank = kernel[:, :, 0] if kernel.shape[2] == 1 else kernel
    digits = len(str(count - 1))
    numbers = range(count) if chosen is None else (chosen,)
    return tuple(Step.of_kernel(bank[..., number], f"{name}-{number:0{digits}}") for number in numbers)


_CHOSEN = re.compile(r"(.+\.npy)\[(\d{1,9})\]", re.IGNORECASE)
"""A filter of a bank: the file, and the number of the filter."""


def load_chains(filters: Sequence[str], kernel: str | None, direction: str | None) -> tuple[Chain, ...]:
    """Return the filters that a user named, and the kernel unless a chain uses it; `DEFAULT` where neither is given.

    Of a bank of kernels, each filter is one, and a chain that uses it becomes as many.

    Raises:
        ArgumentError: one of them is unknown or named twice.
    """
    own = () if kernel is None else load_kernels(kernel)
    words = filters or ([] if own else [DEFAULT])
    within = [step._replace(name=re.sub(r"[^A-Za-z0-9.-]", "-", step.name)) for step in own]
    chains = [
        Chain.of(word, direction, kernel=step)
        for word in words
        for step in (within if within and KERNEL in word.split() else [None])
    ]
    if not any(KERNEL in word.split() for word in words):
        chains += [Chain((step,)) if words else Chain((step,)).directed(direction) for step in own]
    names = [chain.name for chain in chains]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(f"{twice!r} is named twice: each filter gives one output")
    return tuple(chains)
