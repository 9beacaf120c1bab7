"""TIFF: Pillow reads the pages that it holds exactly, tifffile the others (floats, wide integers, planes).

tifffile also writes them.
"""

import io
from collections.abc import Iterator
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from cnncli.errors import ImageError
from cnncli.images import segments
from cnncli.images.exif import turned
from cnncli.images.formats import Format
from cnncli.images.frames import Array, ArrayFrame, Frame, Picture, for_computing
from cnncli.images.metadata import Metadata
from cnncli.images.pillow_reading import PillowImage
from cnncli.images.sources import check_pixels, decoding, no_warnings, silence

if TYPE_CHECKING:
    from PIL import TiffImagePlugin
    from tifffile import TiffPage

_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANES, _SAMPLE_FORMAT, _ICC_PROFILE = 258, 262, 274, 284, 339, 34675
_MIN_IS_WHITE, _ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA = 0, 1, 2
silence("tifffile")

# From here on a page is read by segments: 64 MB of grey.
LARGE_PIXELS = 1 << 26
_CLASSIC_LIMIT = 4_000_000_000


class TiffImage(PillowImage):
    """A TIFF file, each page read by whichever library reads it exactly."""

    def __init__(self, stream: BinaryIO, name: str, kind: str, *, gray: bool, max_pixels: int | None) -> None:
        try:
            super().__init__(stream, name, kind, gray=gray, max_pixels=max_pixels)
            self._pillow_opens = True
        except ImageError as error:
            if not isinstance(error.__cause__, SyntaxError | KeyError | ValueError):
                raise
            self._pillow_opens = False
            with decoding(name, kind), _tifffile(stream) as file:
                self.frame_count = len(file.pages)
                self._check(file.pages[0])

    def decoded_bytes(self) -> int:
        """The size of the first page, unless it is read by segments."""
        with decoding(self._name, self.format):
            page: Any = _tifffile(self._stream).pages[0]
            size = page.imagewidth * page.imagelength
            return 0 if size > LARGE_PIXELS and segments.reads(page) else segments.decoded_bytes(page)

    def _frame(self, index: int) -> Frame:
        width, height = self._image.size if self._pillow_opens else (0, 0)
        if width * height > LARGE_PIXELS or not self._pillow_opens:
            large = self._large_frame(index)
            if large is not None:
                return large
        if self._pillow_opens:
            try:
                with no_warnings():
                    self._image.seek(index)
                if _pillow_is_exact(self._image):
                    return super()._frame(index)
            except (SyntaxError, KeyError):  # a page of a kind that Pillow does not know
                pass
        return self._page_frame(index)

    def _large_frame(self, index: int) -> Frame | None:
        """A large page to be read by segments, or None."""
        with decoding(self._name, self.format):
            page: Any = _tifffile(self._stream).pages[index]
            self._check(page)
            if page.imagewidth * page.imagelength <= LARGE_PIXELS or not segments.reads(page):
                return None
        return segments.SegmentFrame(page, self._stream, self._name, _metadata(page), gray=self._gray)

    def _page_frame(self, index: int) -> Frame:
        with _tifffile(self._stream) as file:
            page = file.pages[index]
            self._check(page)
            try:
                pixels, alpha = _split(_samples(page), page)
            except ValueError as error:
                if "imagecodecs" not in str(error):
                    raise
                raise ImageError(
                    f"{self._name}: {page.compression.name} compression of {page.dtype} samples is not built in; "
                    "install it with: pip install 'cnncli[codecs]'"
                ) from error
            tag = page.tags.get(_ORIENTATION)
            orientation = int(tag.value) if tag else 1
            return ArrayFrame(
                turned(pixels, orientation),
                alpha=None if alpha is None else turned(alpha, orientation),
                metadata=_metadata(page),
                gray=self._gray,
            )

    def _check(self, page: Any) -> None:
        check_pixels(self._name, page.imagewidth, page.imagelength, self._max_pixels)


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write every frame as a page, uncompressed, its bands as they come."""
    from tifffile import TiffWriter

    target = file if file.seekable() else io.BytesIO()
    frames, first = _peek(frames)
    # Offsets of 32 bits end at 4 GB; how many pages follow the first is not known, so that one decides.
    with TiffWriter(target, bigtiff=prod(first.shape) * first.dtype.itemsize > _CLASSIC_LIMIT) as writer:
        for picture in frames:
            writer.write(
                (np.ascontiguousarray(band) for _, band in picture.placed()),
                shape=picture.shape,
                dtype=picture.dtype,
                metadata=None,
                contiguous=False,
                **_options(picture),
            )
    if isinstance(target, io.BytesIO) and target is not file:
        file.write(target.getbuffer())


def _peek(frames: Iterator[Picture]) -> tuple[Iterator[Picture], Picture]:
    first = next(frames)
    return chain([first], frames), first


def _options(picture: Picture) -> dict[str, Any]:
    """The writer's arguments for a picture's channels and metadata."""
    metadata = picture.metadata.for_channels(picture.channels)
    options: dict[str, Any] = {"photometric": "minisblack"}
    if picture.channels in (3, 4):
        options["photometric"] = "rgb"
    if picture.channels in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    if len(picture.shape) == 3:
        options["planarconfig"] = "contig"
    if metadata.icc_profile:
        options["iccprofile"] = metadata.icc_profile
    if metadata.dpi:
        options |= {"resolution": metadata.dpi, "resolutionunit": "inch"}
    return options


def _pillow_is_exact(image: "TiffImagePlugin.TiffImageFile | Any") -> bool:
    """Whether Pillow's mode, or the decoding of both bytes of 16-bit colour, loses nothing of this page."""
    tags = image.tag_v2
    bits, signs = max(tags.get(_BITS, (1,))), set(tags.get(_SAMPLE_FORMAT, (1,)))
    if bits <= 8:
        return signs == {1}
    if image.mode in ("I", "F"):
        return (image.mode, bits, signs) in (("I", 32, {2}), ("F", 32, {3}), ("I", 16, {2}))
    premultiplied = image.tile and "RGBa" in str(image.tile[0].args)
    turned_over = tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE  # which Pillow heeds at 8 bits alone
    return bits == 16 and signs == {1} and tags.get(_PLANES, 1) == 1 and not premultiplied and not turned_over


def _tifffile(stream: BinaryIO) -> Any:
    from tifffile import TiffFile

    stream.seek(0)
    return TiffFile(stream)


def _samples(page: "TiffPage") -> Array:
    """(H, W) or (H, W, C)."""
    samples = for_computing(page.asarray())
    if page.axes not in ("YX", "YXS", "SYX"):
        raise ImageError(f"a page with axes {page.axes} is not a picture; expected YX, YXS or SYX")
    if samples.ndim != len(page.axes) or not samples.size:
        raise ImageError(f"a page of {page.imagewidth} x {page.imagelength} holds no pixels")
    if page.axes == "SYX":
        samples = np.moveaxis(samples, 0, -1)
    if page.photometric == _MIN_IS_WHITE and samples.dtype.kind == "u":
        samples = np.iinfo(samples.dtype).max - samples
    return samples


def _split(samples: Array, page: "TiffPage") -> tuple[Array, Array | None]:
    """Pixels, and the alpha that the page declares as its last channel."""
    kinds = [int(kind) for kind in page.extrasamples]
    if samples.ndim == 2 or not kinds or kinds[-1] not in (_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA):
        return samples, None
    pixels, alpha = samples[..., :-1], samples[..., -1]
    if kinds[-1] == _ASSOCIATED_ALPHA:
        pixels = _unmultiplied(pixels, alpha)
    return (pixels[..., 0] if pixels.shape[2] == 1 else pixels), alpha


def _unmultiplied(pixels: Array, alpha: Array) -> Array:
    """Colours that were stored multiplied by their alpha."""
    full = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1.0
    opacity = np.where(alpha > 0, alpha, full)[..., np.newaxis] / full
    colours = pixels / opacity
    if pixels.dtype.kind in "iu":
        colours = np.rint(colours).clip(0, full)
    return colours.astype(pixels.dtype)


def _metadata(page: Any) -> Metadata:
    """What the page's tags say beside its pixels."""
    profile = page.tags.get(_ICC_PROFILE)
    across, down = page.get_resolution("inch") if "XResolution" in page.tags else (0, 0)
    return Metadata(
        icc_profile=bytes(profile.value) if profile else None,
        dpi=(float(across), float(down)) if across > 0 and down > 0 else None,
    )
