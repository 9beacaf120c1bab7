"""Pictures that Pillow reads, here without its losses, and BMP, WebP and AVIF, which it writes.

16-bit colour stays 16-bit, transparency stays apart.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.errors import ImageError
from cnncli.images import exif as exif_block
from cnncli.images.formats import Format
from cnncli.images.frames import ArrayFrame, Frame, OpenedImage, Picture, luma
from cnncli.images.memory import pillow_bytes
from cnncli.images.metadata import Metadata
from cnncli.images.sources import FRAME_PIXELS, check_frames, check_pixels, no_warnings, silence

if TYPE_CHECKING:
    from PIL import Image, ImageFile

silence("PIL")
_GRAY_MODES = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
_PLAIN_MODES: dict[str, tuple[int, ...]] = {"L": (), "RGB": (3,)}  # those that most pictures have, as bytes
_PIXELS_PER_BAND = 1 << 18  # what one conversion handles stays in the cache
# Pillow scales the grey levels of 2- and 4-bit PNGs to 8 bits, but not the transparent level that it reports.
_KEY_SCALES = {"L;2": 85, "L;4": 17}


class PillowImage(OpenedImage):
    """A file that Pillow decodes."""

    def _begin(self) -> int:
        self._image = self._open()
        check_pixels(self._name, *self._image.size, self._max_pixels)
        return self._count_frames()

    @property
    def size(self) -> tuple[int, int]:
        """The first frame's columns and rows as they are stored."""
        return self._image.size

    @property
    def orientation(self) -> int:
        return orientation_of(self._image)

    @property
    def pixels(self) -> int:
        return prod(self.size)

    def decoded_bytes(self) -> int:
        return self._estimate(self.kind.decoder)

    def _estimate(self, decoder: tuple[int, int], held: int | None = None) -> int:
        image, turned = self._image, orientation_of(self._image) != 1
        return pillow_bytes(image, raw_mode(image), gray=self._gray, turned=turned, decoder=decoder, held=held)

    def _open(self, stream: BinaryIO | None = None) -> "ImageFile.ImageFile":
        """Open the file, or another stream of its kind."""
        module, _, other = self.kind.plugin.partition(".")
        stream = stream or self._stream
        stream.seek(0)
        with no_warnings():
            raise_pillows_limit(self._max_pixels)
            image: ImageFile.ImageFile = getattr(
                import_module(f"PIL.{module}ImagePlugin"), f"{other or module}ImageFile"
            )(stream)
        return image

    def _count_frames(self) -> int:
        count = getattr(self._image, "n_frames", 1) if self.kind.frames else 1
        if count < 1:
            raise ImageError(f"states {count} frames")
        check_frames(self._name, count, count * max(FRAME_PIXELS, prod(self._image.size)), self._max_pixels)
        return count

    def _seek(self, image: "ImageFile.ImageFile", index: int) -> None:
        if index:
            image.seek(index)
            check_pixels(self._name, *image.size, self._max_pixels)

    def _frame(self, index: int) -> Frame:
        image = self._image
        self._seek(image, index)
        raw = raw_mode(image)
        if raw.partition(";")[0] in _DEEP_MODES and ";16" in raw:
            return self._deep_frame(index, raw)
        image.load()
        metadata, turns = metadata_of(image), orientation_of(image)
        alpha = _alpha_of(image, raw)
        kept: Image.Image = image if self.frame_count == 1 else image.copy()
        if turns != 1:
            kept, alpha = _turned(kept, turns), None if alpha is None else exif_block.turned(alpha, turns)
        return PillowFrame(kept, alpha, metadata, gray=self._gray, alone=self.frame_count == 1)

    def _deep_frame(self, index: int, raw: str) -> Frame:
        metadata, turns = metadata_of(self._image), orientation_of(self._image)
        key = self._image.info.pop("transparency", None)
        samples = self._deep_samples(index, raw)
        pixels, alpha = _split_deep(exif_block.turned(samples, turns), raw)
        if key is not None:
            alpha = _keyed(pixels, key)
        if self._gray:
            pixels = luma(pixels)  # now, so that the colours need not be kept
        return ArrayFrame(pixels, alpha=alpha, metadata=metadata, gray=self._gray)

    def _deep_samples(self, index: int, raw: str) -> Array:
        """Decode 16-bit samples (H, W, C), which Pillow cuts to their high byte.

        Asked for the other byte order it gives the low byte, so two decodings make the whole.
        """
        if raw == "LA;16B":  # as wide as 8-bit RGBA
            _set_raw_mode(self._image, "RGBA")
            return np.asarray(self._image).view(">u2").astype(np.uint16)
        is_big_endian = raw.endswith("B") or (raw.endswith("N") and sys.byteorder == "big")
        samples = np.zeros((self._image.height, self._image.width, len(self._image.getbands())), np.uint16)
        for mode, shift in ((raw, 8), (raw[:-1] + ("L" if is_big_endian else "B"), 0)):
            image = self._open()  # anew each time, so that one decoding alone is in memory
            self._seek(image, index)
            _set_raw_mode(image, mode)
            for rows, band in _bands(image):
                samples[rows] |= band.astype(np.uint16) << shift
        return samples


_DEEP_MODES = {"RGB", "RGBA", "LA"}


class PillowFrame(Frame):
    """A decoded Pillow image, converted band by band: one copy in memory, however large."""

    def __init__(
        self, image: "Image.Image", alpha: Array | None, metadata: Metadata, *, gray: bool, alone: bool = True
    ) -> None:
        image.info.pop("transparency", None)  # kept in `alpha`; conversions would trip over it
        self._image, self._alpha = image, alpha
        self._steps = _conversions(image, gray=gray, alone=alone)
        width, height = image.size
        self.dtype, channels = self._pixel()
        self.shape = height, width, *channels
        unchanged = image.mode in _GRAY_MODES or (channels and image.mode != "CMYK")
        metadata = metadata.for_result(mode_changed=not unchanged, size_changed=False)
        self.metadata = metadata.for_channels(3 if channels else 1)

    def _pixel(self) -> tuple[DType, tuple[int, ...]]:
        """Return the type of the numbers and the shape of one pixel: () for grey, (3,) for colour."""
        if self._image.mode in _PLAIN_MODES and not self._steps:  # a fifth of the time to read a small picture
            return np.dtype(np.uint8), _PLAIN_MODES[self._image.mode]
        sample = self._band(0, 1)
        return sample.dtype, sample.shape[2:]

    def rows(self, start: int, stop: int) -> Array:
        stop = min(stop, self.shape[0])
        step = max(1, _PIXELS_PER_BAND // self.shape[1])
        if stop - start <= step:
            return self._band(start, stop)
        whole = np.empty((stop - start, *self.shape[1:]), self.dtype)
        for top in range(start, stop, step):
            whole[top - start : top - start + step] = self._band(top, min(top + step, stop))
        return whole

    def alpha(self) -> Array | None:
        return self._alpha

    def _band(self, start: int, stop: int) -> Array:
        is_whole = (start, stop) == (0, self._image.height)
        band = self._image if is_whole else self._image.crop((0, start, self._image.width, stop))
        for mode in self._steps:
            band = lab_to_rgb(band) if band.mode == "LAB" else band.convert(mode)
        pixels = np.asarray(band)
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def metadata_of(image: "Image.Image") -> Metadata:
    """Return the metadata that Pillow found, without the orientation and thumbnail in the EXIF block."""
    info = image.info
    dpi = info.get("dpi")
    return Metadata(
        icc_profile=info.get("icc_profile") or None,
        exif=exif_block.without(info.get("exif"), [exif_block.ORIENTATION]),
        # Pillow gives (1, 1) if a file names no unit.
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and all(value > 1 for value in dpi) else None,
        duration=info.get("duration"),
        loop=info.get("loop"),
    )


def raise_pillows_limit(max_pixels: int | None) -> None:
    """Raise Pillow's own limit to the caller's limit; never lower it."""
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is not None and (max_pixels is None or max_pixels > Image.MAX_IMAGE_PIXELS):
        Image.MAX_IMAGE_PIXELS = max_pixels


def orientation_of(image: "Image.Image") -> int:
    """Return the orientation that the EXIF block of an opened picture states, 1 to 8."""
    return exif_block.orientation(image.info.get("exif"))


def _turned(image: "Image.Image", orientation: int) -> "Image.Image":
    from PIL.Image import Transpose

    names = ["FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90"]
    return image.transpose(Transpose[names[orientation - 2]])


def raw_mode(image: "ImageFile.ImageFile") -> str:
    """Name the layout of the samples in an opened picture's file, such as `RGB;16B`."""
    args = image.tile[0].args if image.tile else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _set_raw_mode(image: "ImageFile.ImageFile", raw: str) -> None:
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in image.tile
    ]


def _split_deep(samples: Array, raw: str) -> tuple[Array, Array | None]:
    """Split 16-bit samples into colour and alpha."""
    mode = raw.partition(";")[0]
    if mode in ("LA", "RGBA"):
        pixels = samples[..., :-1]
        return (pixels[..., 0] if mode == "LA" else pixels), np.ascontiguousarray(samples[..., -1])
    return samples[..., :3], None


def _conversions(image: "Image.Image", *, gray: bool, alone: bool) -> tuple[str, ...]:
    """List the modes through which a band is converted to L, RGB or numbers; frames of one file are converted alike."""
    mode = image.mode
    steps = {"1": ("L",), "LA": ("L",), "La": ("LA", "L"), "RGBa": ("RGBA", "RGB"), "PA": ("RGBA", "RGB")}
    if mode in _GRAY_MODES:
        return steps.get(mode, ())
    if mode == "YCbCr" and gray:
        return ("L",)  # the luma as it is stored
    colour = steps.get(mode, () if mode == "RGB" else ("RGB",))
    return (*colour, "L") if gray or (mode == "P" and _is_gray_palette(image, used=alone)) else colour


def _is_gray_palette(image: "Image.Image", *, used: bool) -> bool:
    """Return whether all colours of the palette, or only those between the used ones, are grey."""
    palette = np.array(image.getpalette("RGB") or [0, 1, 2]).reshape(-1, 3)
    if used:
        low, high = image.getextrema()
        palette = palette[int(str(low)) : int(str(high)) + 1]
    return bool(len(palette) and (palette == palette[:, :1]).all())


def _alpha_of(image: "Image.Image", raw: str) -> Array | None:
    """Return the transparency of a loaded image: its own channel, its palette's, or that of one transparent colour."""
    key = image.info.get("transparency")
    if image.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        return np.asarray(image.getchannel(image.getbands()[-1]))
    if key is None:
        palette = image.palette.mode if image.mode == "P" and image.palette else ""
        return np.asarray(image.convert("RGBA").getchannel("A")) if palette.endswith("A") else None
    if image.mode == "P":
        levels = np.full(256, 255, np.uint8)
        if isinstance(key, bytes):
            levels[: len(key)] = np.frombuffer(key, np.uint8)
        else:
            levels[key] = 0
        return np.asarray(image.point(levels.tolist(), "L"))
    return _keyed(np.asarray(image.convert("L") if image.mode == "1" else image), key, scale=_KEY_SCALES.get(raw, 1))


def _bands(image: "Image.Image") -> Iterator[tuple[slice, Array]]:
    """Yield bands of a Pillow image as arrays, with their rows: NumPy would copy the whole image twice."""
    step = max(1, _PIXELS_PER_BAND // image.width)
    for start in range(0, image.height, step):
        stop = min(start + step, image.height)
        yield slice(start, stop), np.asarray(image.crop((0, start, image.width, stop)))


def _keyed(pixels: Array, key: int | tuple[int, ...], *, scale: int = 1) -> Array:
    """Return the alpha of an image with one transparent colour."""
    alpha = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
    step = max(1, _PIXELS_PER_BAND // pixels.shape[1])
    for start in range(0, len(pixels), step):
        same = pixels[start : start + step] == np.asarray(key) * scale
        alpha[start : start + step][same.all(axis=2) if same.ndim == 3 else same] = 0
    return alpha


def lab_to_rgb(image: "Image.Image") -> "Image.Image":
    """Convert CIE Lab colours to sRGB."""
    from PIL import ImageCms

    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    if converted is None:
        raise ImageError("Lab colours cannot be converted to RGB")
    return converted


def check_avif() -> None:
    """Check that this Pillow reads and writes AVIF.

    Raises:
        ImageError: it is older than 11.3, or was built without libavif.
    """
    try:
        from PIL import _avif  # noqa: F401
    except ImportError as error:
        raise ImageError(
            "AVIF needs Pillow 11.3 or newer, built with libavif as its wheels are: pip install -U pillow"
        ) from error


# The options with which Pillow saves a format, and the metadata that it takes. WebP: the least effort is 4 % larger and
# twice as fast. AVIF: speed 6, Pillow's default, is 10 % smaller and takes seven times as long; the number of threads
# decides on the tiles, so that another one would give another file.
_SAVING: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "bmp": ({}, ("dpi",)),
    "webp": ({"lossless": True, "exact": True, "method": 1, "quality": 0}, ("icc_profile", "exif")),
    "avif": ({"quality": 90, "speed": 9, "max_threads": 1}, ("icc_profile", "exif")),
}


# The same at a quality. WebP: this effort is 6 % larger than Pillow's own and twice as fast.
_LOSSY: dict[str, dict[str, Any]] = {"webp": {"lossless": False, "method": 2}, "avif": {}}


def write(file: BinaryIO, frames: Iterator[Picture], form: Format, *, quality: int | None = None) -> None:
    """Write one frame, or all where the format holds several."""
    if form.name == "avif":
        check_avif()
    pictures = list(frames) if form.frames else [next(frames)]
    channels, (options, kept) = pictures[0].channels, _SAVING[form.name]
    if form.name == "webp" or channels == 2:  # grey is stored as colour, which its profile does not describe
        channels = 3
    metadata = pictures[0].metadata.for_channels(channels)
    options = options | {name: value for name in kept if (value := getattr(metadata, name))}
    if quality is not None:
        options |= _LOSSY[form.name] | {"quality": quality}
    first, *others = map(image_of, pictures)
    if others:
        durations = [picture.metadata.duration or 0 for picture in pictures]
        times = _kept_apart(durations, [first, *others], form.capacity.duration)
        options |= {"save_all": True, "append_images": others, "duration": [round(time) for time in times]}
        options["loop"] = 1 if metadata.loop is None else metadata.loop  # a WebP that says nothing plays for ever
    try:
        first.save(file, form.name, **options)
    except (ValueError, SystemError, RuntimeError, OverflowError) as error:  # such as frames of years together
        raise ImageError(f"{first.width} x {first.height} cannot be written as {form.name}: {error}") from error


def image_of(picture: Picture) -> "Image.Image":
    """Make one Pillow image of a picture, filled band by band."""
    from PIL import Image

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


def _kept_apart(durations: list[float], images: list["Image.Image"], most: float) -> list[float]:
    """Return the durations of frames, cut so that Pillow, which merges equal frames, stays in the range."""
    if sum(durations) <= most:
        return durations
    kept = durations[:1]
    together = durations[0]
    for duration, image, before in zip(durations[1:], images[1:], images, strict=False):
        together = together if image.tobytes() == before.tobytes() else 0
        kept.append(min(duration, most - together))
        together += kept[-1]
    return kept
