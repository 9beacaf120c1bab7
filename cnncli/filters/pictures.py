"""Pictures of responses, rendered band by band."""

from math import lcm

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.filters.bands import bands
from cnncli.filters.chains import Chain
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.responses import Response, white_level
from cnncli.filters.renderers import Renderer, coloured
from cnncli.filters.rendering import Rendering
from cnncli.filters.statistics import Statistics


class EdgePicture:
    """The picture of a response, rendered on demand, by rows."""

    def __init__(self, response: Response, renderer: Renderer, statistics: Statistics | None = None) -> None:
        self.response = response
        self.renderer = renderer
        self.statistics = statistics
        self.shape = renderer.shape(response.shape)
        self.dtype = renderer.dtype

    @property
    def rows_together(self) -> int:
        """See `Response`."""
        return self.response.rows_together

    def rows(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop) of the picture."""
        finished = self.response.finished_rows(
            start, stop, lambda piece: self.renderer(piece, self.statistics, overwrite=True)
        )
        return finished.reshape(-1, *self.shape[1:])


class AnglePicture(EdgePicture):
    """The picture of angles: the hue says which, and the magnitude how bright it is.

    Red is bright on the left, yellow-green bright above, cyan bright on the right, violet bright below: the hue circle
    from 0 degrees, as `hues` gives it.
    """

    def __init__(self, response: Response, magnitude: EdgePicture, statistics: Statistics | None) -> None:
        """Take the angles from a response, and their brightness from the picture of the magnitudes."""
        super().__init__(response, magnitude.renderer, statistics)
        self.magnitude = magnitude
        self.shape = coloured(response.shape, "direction 'angle'")

    @property
    def rows_together(self) -> int:
        return lcm(self.response.rows_together, self.magnitude.rows_together)

    def rows(self, start: int, stop: int) -> Array:
        angles = self.response.rows(start, stop)
        if self.statistics is not None:
            self.statistics.add(angles)
        picture = self.magnitude.rows(start, stop)
        return self.renderer.tinted(*(band.reshape(-1, self.shape[1]) for band in (picture, angles)))


def pictures(
    response: Response,
    chain: Chain,
    filtering: Filtering,
    rendering: Rendering = Rendering(),
    statistics: Statistics | None = None,
) -> list[EdgePicture]:
    """Return the picture of a response, or the two of `split`, in 16 bits for a 16-bit image and in 8 otherwise.

    Args:
        response: what to render.
        chain: the filter that it comes from, whose choices hold where the rendering leaves them open.
        filtering: the options that it comes from.
        rendering: options.
        statistics: gathers numbers for a report while bands are rendered.
    """
    if chain.is_angle:
        return [_angle_picture(response, chain, filtering, rendering, statistics)]
    white = white_level(response.image.dtype)
    if rendering.scale is None and chain.last.look.scale == "none":
        white = response.source.contrast  # in a chain, white is what was white before the last step
    if filtering.bias or filtering.activation in ("tanh", "sigmoid"):  # the numbers of a layer
        rendering = rendering.replace(scale=rendering.scale or "unit")
    rendering = rendering.over(chain)
    channels = response.image.shape[2] if len(response.image.shape) == 3 else 1
    renderers = rendering.renderers(
        full_step=response.full_step,
        white=white,
        dtype=_picture_type(response),
        edge=white * chain.edge(filtering, channels) if rendering.scale == "soft" else None,
        extent=rendering.extent(lambda: (band for _, band in bands(response)), response.dtype),
        never_negative=response.never_negative,
    )
    return [EdgePicture(response, renderer, statistics) for renderer in renderers]


def _picture_type(response: Response) -> DType:
    return np.dtype(np.uint16 if response.image.dtype == np.uint16 else np.uint8)


def _angle_picture(
    response: Response, chain: Chain, filtering: Filtering, rendering: Rendering, statistics: Statistics | None
) -> EdgePicture:
    """Return the picture of angles: in hues, or for `offset` in greys with 0 in the middle."""
    if rendering.signed == "offset":
        dtype = _picture_type(response)
        top = float(np.iinfo(dtype).max)
        renderer = Renderer(
            top / (2 * np.pi), top / 2, "offset", dtype, rendering.level(top), inverted=rendering.invert
        )
        return EdgePicture(response, renderer, statistics)
    coloured(response.shape, "direction 'angle'")
    length = chain.directed("magnitude")
    (magnitude,) = pictures(length.over(response.image, filtering), length, filtering, rendering.replace(signed="abs"))
    return AnglePicture(response, magnitude, statistics)
