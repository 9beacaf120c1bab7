"""A network with weights as a file gives it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.data import BYTES
from cnncli.data.normalization import Normalization
from cnncli.errors import ModelError
from cnncli.formats.files import named
from cnncli.networks import Network


class Imported(NamedTuple):
    """A network with weights, and what its file says about its pictures and classes.

    Attributes:
        network: with its input.
        parameters: the trained arrays by our names, with our axes, float32.
        buffers: the running statistics, likewise.
        class_names: the classes in the order of the outputs; None where the file does not name them.
        normalization: what the weights expect, on the scale 0 to 255; None where the file does not say.
        resize: how pictures of other sizes are resized: a name in `RESIZES`.
        scale: the meaning of the numbers of pictures: a word of `SCALES`.
        origin: where the weights come from, such as `resnet18 with torchvision's weights`.
        finds_boxes: whether the outputs are boxes in cells, and not classes of whole pictures.
    """

    network: Network
    parameters: Mapping[str, Array]
    buffers: Mapping[str, Array]
    class_names: tuple[str, ...] | None = None
    normalization: Normalization | None = None
    resize: str = "stretch"
    scale: str = BYTES
    origin: str = ""
    finds_boxes: bool = False


def check_finite(name: str, array: Array) -> None:
    """Refuse weights that are not numbers: nothing can be predicted with them.

    Raises:
        ModelError: there are infinities or NaN; the message names the array.
    """
    if not np.isfinite(array).all():
        raise ModelError(f"the array {named(name)} has numbers that are not finite")


class NotANetworkError(ModelError):
    """A graph that the notation of networks cannot say; the message names the operator that stood in the way."""
