"""The metadata of a picture, and the part of it that a format can hold."""

import math
from typing import NamedTuple

from cnncli.images import exif as exif_block

_COLOUR_SPACES = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}


class Capacity(NamedTuple):
    """The metadata that a format can hold.

    Attributes:
        dpi: the least and the most dots per inch.
        duration: the most milliseconds of a frame.
        loop: the most repetitions of an animation.
        exif: the largest EXIF block, in bytes, as `Metadata` holds it.
        icc_profile: the largest colour profile, in bytes.
    """

    dpi: tuple[float, float] = (0.1, 5e7)
    duration: float = 0
    loop: int = 0
    exif: int = 1 << 31
    icc_profile: int = 1 << 31


class Metadata(NamedTuple):
    """The metadata of a picture, kept only as long as it stays true.

    Attributes:
        icc_profile: the colour profile.
        exif: the EXIF block, in Pillow's form (it begins with `Exif` and two zero bytes).
        dpi: dots per inch, across and down.
        duration: milliseconds for which an animation shows this frame.
        loop: number of times that an animation plays; 0 is for ever.

    Example:
        >>> Metadata(dpi=(300.0, 300.0)).for_result(mode_changed=True, size_changed=True).dpi
        (300.0, 300.0)
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    duration: float | None = None
    loop: int | None = None

    def for_result(self, *, mode_changed: bool, size_changed: bool) -> "Metadata":
        """Return the metadata that is still true of a picture made from this one.

        Args:
            mode_changed: the result has other channels: a profile of the old ones does not describe it.
            size_changed: the result has another height or width: EXIF's pixel sizes are taken out.
        """
        kept = exif_block.without(self.exif, exif_block.PIXEL_SIZE_TAGS) if size_changed else self.exif
        return self._replace(exif=kept, icc_profile=None if mode_changed else self.icc_profile)

    def within(self, capacity: Capacity) -> "Metadata":
        """Return what fits into a format: times and repetitions at most as long, the rest unchanged or left out.

        Files say anything, also resolutions that are infinite or negative.

        Example:
            >>> Metadata(dpi=(math.inf, 72.0), duration=1e9).within(Capacity(duration=655_350))
            Metadata(icc_profile=None, exif=None, dpi=None, duration=655350, loop=None)
        """
        least, most = capacity.dpi
        timed = self.duration is not None and not math.isnan(self.duration)
        return Metadata(
            icc_profile=self.icc_profile if len(self.icc_profile or b"") <= capacity.icc_profile else None,
            exif=self.exif if len(self.exif or b"") <= capacity.exif else None,
            dpi=self.dpi if self.dpi and all(least <= dots <= most for dots in self.dpi) else None,
            duration=min(max(self.duration or 0, 0), capacity.duration) if timed else None,
            loop=None if self.loop is None else min(max(self.loop, 0), capacity.loop),
        )

    def for_channels(self, channels: int) -> "Metadata":
        """Return the metadata without a colour profile that belongs to another number of channels.

        Args:
            channels: 1 or 2 for grey (2: with alpha), 3 or 4 for RGB.
        """
        space = (self.icc_profile or b"")[16:20]  # the profile header's colour space
        return self if space == _COLOUR_SPACES.get(channels) else self._replace(icc_profile=None)
