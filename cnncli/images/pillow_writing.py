"""Writing BMP, GIF and WebP through Pillow."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from cnncli.errors import ImageError
from cnncli.images.formats import Format
from cnncli.images.frames import Array, Picture
from cnncli.images.metadata import Metadata

_OPTIONS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True, "exact": True, "method": 1, "quality": 0},  # the least effort: 4 % larger, twice as fast
    "gif": {"optimize": False},
    "bmp": {},
}
_KEPT = {
    "webp": ("icc_profile", "exif"),
    "gif": (),
    "bmp": ("dpi",),
}


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write one frame, or all where the format holds several."""
    pictures = list(frames) if form.frames else [next(frames)]
    metadata = pictures[0].metadata.for_channels(pictures[0].channels)
    options = _OPTIONS[form.name] | _metadata_options(metadata, form.name)
    durations = [picture.metadata.duration or 0 for picture in pictures]
    convert = _for_gif if form.name == "gif" else _for_webp if form.name == "webp" else _same
    first, *others = [convert(_image(picture)) for picture in pictures]
    if others:
        times = _kept_apart(durations, [first, *others], form.room.duration)
        options |= {"save_all": True, "append_images": others, "duration": [round(time) for time in times]}
        options |= _loop_options(metadata, form.name)
    try:
        first.save(file, form.name, **options)
    except (ValueError, SystemError, RuntimeError, OverflowError) as error:  # such as frames of years together
        raise ImageError(f"{first.width} x {first.height} cannot be written as {form.name}: {error}") from error


def _image(picture: Picture) -> Image.Image:
    """The picture as one Pillow image, filled band by band."""
    image = None
    for start, band in picture.placed():
        pixels = band[..., 0] if band.ndim == 3 and band.shape[2] == 1 else band
        piece = Image.fromarray(np.ascontiguousarray(pixels))
        if len(band) == picture.shape[0]:
            return piece
        image = image or Image.new(piece.mode, (picture.shape[1], picture.shape[0]))
        image.paste(piece, (0, start))
    assert image is not None, "a picture has rows"
    return image


def _kept_apart(durations: list[float], images: list[Image.Image], most: float) -> list[float]:
    """Times of frames, those of equal frames cut to what one may last: Pillow makes such frames one."""
    if sum(durations) <= most:
        return durations
    kept = durations[:1]
    together = durations[0]
    for duration, image, before in zip(durations[1:], images[1:], images, strict=False):
        together = together if image.tobytes() == before.tobytes() else 0
        kept.append(min(duration, most - together))
        together += kept[-1]
    return kept


def _metadata_options(metadata: Metadata, name: str) -> dict[str, Any]:
    return {key: value for key in _KEPT[name] if (value := getattr(metadata, key))}


def _loop_options(metadata: Metadata, name: str) -> dict[str, Any]:
    """A GIF that says nothing plays once, a WebP that says nothing for ever."""
    if name == "gif":
        return {"disposal": 2} if metadata.loop is None else {"disposal": 2, "loop": metadata.loop}
    return {"loop": 1 if metadata.loop is None else metadata.loop}


def _same(image: Image.Image) -> Image.Image:
    return image


def _for_webp(image: Image.Image) -> Image.Image:
    return image.convert("RGBA" if image.mode == "LA" else "RGB") if image.mode in ("L", "LA") else image


def _for_gif(image: Image.Image) -> Image.Image:
    """A palette image; grey levels stay exact, and half-transparent pixels become opaque or transparent."""
    if image.mode == "LA":
        gray, alpha = (np.asarray(image.getchannel(band)) for band in "LA")
        return _gray_with_hole(gray, alpha < 128)
    if image.mode == "RGBA":
        image.putalpha(image.getchannel("A").point([0] * 128 + [255] * 128))
    return image


def _gray_with_hole(gray: Array, hole: Array) -> Image.Image:
    """Greys with one palette entry for transparency: an unused level, or level 1, which then becomes 0."""
    unused = np.flatnonzero(np.bincount(gray[~hole], minlength=256) == 0)
    entry = int(unused[0]) if len(unused) else 1
    image = Image.fromarray(np.where(hole, entry, np.where(gray == entry, 0, gray)).astype(np.uint8))
    palette = image.copy()
    palette.putpalette([level for level in range(256) for _ in range(3)])
    palette.info["transparency"] = entry
    return palette
