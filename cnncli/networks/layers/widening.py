"""More channels without parameters."""

from typing import TYPE_CHECKING, Any

from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.base import Layer, picture
from cnncli.shapes import Shape

if TYPE_CHECKING:  # what only computes shapes loads no NumPy
    from cnncli.networks.layers.context import Array, Context, Gradients, Params


class ZeroPad(Layer):
    """Channels of zeros after those that come in, up to a number: `zeropad-64`.

    With a stride before it (`avg1,s2 zeropad-64`) it is the shortcut without parameters of He et al. 2015
    (arXiv:1512.03385, section 3.3, option A).

    Example:
        >>> ZeroPad(32).output_shape((16, 16, 16))
        (16, 16, 32)
    """

    op = "zeropad"
    keeps = ()
    filters_field = "out_channels"

    out_channels: int

    def output_shape(self, input_shape: Shape) -> Shape:
        height, width, channels = picture(self, input_shape)
        if channels > self.out_channels:
            fits = f"zeropad-{channels} would fit, and add none"
            raise ShapeError(self, f"at most {self.out_channels} channels", f"{channels}", fits)
        return height, width, self.out_channels

    def forward(self, x: "Array", params: "Params", context: "Context") -> "tuple[Array, Any]":
        out = context.output((*x.shape[:3], self.out_channels), x.dtype)
        out[..., : x.shape[3]], out[..., x.shape[3] :] = x, 0
        return out, x.shape

    def backward(self, grad: "Array", cache: Any, params: "Params", context: "Context") -> "Gradients":
        out = context.gradient(cache, grad.dtype)
        out[:] = grad[..., : cache[3]]
        return out, {}
