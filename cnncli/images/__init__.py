"""Image files: reading and writing them, a band of rows at a time."""

from cnncli.images.formats import FORMATS, PICTURE_SUFFIXES, Format, find_format
from cnncli.images.frames import Frame, OpenedImage, Picture
from cnncli.images.metadata import Metadata
from cnncli.images.reading import open_image, read_image
from cnncli.images.sources import MAX_PIXELS, check_pixels, read_standard_input
from cnncli.images.writing import write_frames, write_image

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "Format",
    "Frame",
    "Metadata",
    "OpenedImage",
    "Picture",
    "check_pixels",
    "find_format",
    "open_image",
    "read_image",
    "read_standard_input",
    "write_frames",
    "write_image",
]
