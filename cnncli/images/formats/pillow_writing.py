"""Writing BMP and WebP through Pillow."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from cnncli.errors import ImageError
from cnncli.images.formats import Format
from cnncli.images.frames import Picture
from cnncli.images.metadata import Metadata

_OPTIONS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True, "exact": True, "method": 1, "quality": 0},  # the least effort: 4 % larger, twice as fast
    "bmp": {},
}
_KEPT = {
    "webp": ("icc_profile", "exif"),
    "bmp": ("dpi",),
}


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write one frame, or all where the format holds several."""
    pictures = list(frames) if form.frames else [next(frames)]
    metadata = pictures[0].metadata.for_channels(pictures[0].channels)
    options = _OPTIONS[form.name] | _metadata_options(metadata, form.name)
    durations = [picture.metadata.duration or 0 for picture in pictures]
    convert = _for_webp if form.name == "webp" else _same
    first, *others = [convert(image_of(picture)) for picture in pictures]
    if others:
        times = _kept_apart(durations, [first, *others], form.room.duration)
        options |= {"save_all": True, "append_images": others, "duration": [round(time) for time in times]}
        options["loop"] = 1 if metadata.loop is None else metadata.loop  # a WebP that says nothing plays for ever
    try:
        first.save(file, form.name, **options)
    except (ValueError, SystemError, RuntimeError, OverflowError) as error:  # such as frames of years together
        raise ImageError(f"{first.width} x {first.height} cannot be written as {form.name}: {error}") from error


def image_of(picture: Picture) -> Image.Image:
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


def _same(image: Image.Image) -> Image.Image:
    return image


def _for_webp(image: Image.Image) -> Image.Image:
    return image.convert("RGBA" if image.mode == "LA" else "RGB") if image.mode in ("L", "LA") else image
