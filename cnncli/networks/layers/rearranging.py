"""Layers that move numbers, leave some out or add zeros, and compute nothing."""

from math import prod
from typing import Any

from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.base import Layer, check_groups, image_shape
from cnncli.networks.layers.late import Array, Context, Gradients, Params
from cnncli.networks.layers.pointwise import Linear
from cnncli.networks.summary import ReceptiveField
from cnncli.shapes import Four, Shape, Window, show_shape


class Rearrangement(Layer):
    """A layer whose output is a view of its input, made by `seen`."""

    keeps = ()

    def seen(self, x: Array) -> Array:
        """Return a view of a batch that has the output's numbers in their order, in any number of axes."""
        raise NotImplementedError

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        view = self.seen(x)
        out = context.output((len(x), *context.plan(x.shape, self.output_shape)), x.dtype)
        out.reshape(view.shape)[:] = view
        return out, x.shape

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        """Return the gradient of the input: 0 for the numbers that are not seen."""
        out = context.gradient(cache, grad.dtype)
        view = self.seen(out)
        if view.size < out.size:
            out[:] = 0
        view[:] = grad.reshape(view.shape)
        return out, {}


class Crop(Rearrangement):
    """Pixels cut off at the borders: `crop4` on every side, `crop4x2`, or `crop1x2x3x4` (top, bottom, left, right).

    Example:
        >>> Crop(4).output_shape((64, 64, 512))
        (56, 56, 512)
    """

    op = "crop"
    reach = "window"
    size_field = "margins"

    margins: Four

    def output_shape(self, input_shape: Shape) -> Shape:
        height, width, channels = image_shape(self, input_shape)
        top, bottom, left, right = self.margins
        if top + bottom < height and left + right < width:
            return height - top - bottom, width - left - right, channels
        needs = f"more than the {top + bottom}x{left + right} pixels that it cuts off"
        raise ShapeError(self, needs, f"{height}x{width}", "smaller margins would fit")

    def receptive_field(self, before: ReceptiveField, input_shape: Shape) -> ReceptiveField | None:
        """Return the same field, which begins further in."""
        (down, across), (y, x) = before.stride, before.offset
        return before._replace(offset=(y + self.margins[0] * down, x + self.margins[2] * across))

    def seen(self, x: Array) -> Array:
        top, bottom, left, right = self.margins
        return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


class Split(Rearrangement):
    """One of equal parts of the channels: `split1/2` is the first half, `split2/2` the second.

    Branches that take a part each are ShuffleNet's and CSPNet's blocks: `cat[ split1/2 | split2/2 conv1-64 ]`.

    Example:
        >>> Split((1, 2)).output_shape((28, 28, 116))
        (28, 28, 58)
    """

    op = "split"
    reach = "place"
    size_field = "part"

    part: tuple[int, int]

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the input's, with a part of its channels."""
        check_groups(self, input_shape[-1], self.part[1], "split1/")
        return *input_shape[:-1], input_shape[-1] // self.part[1]

    def seen(self, x: Array) -> Array:
        number, parts = self.part
        size = x.shape[-1] // parts
        return x[..., (number - 1) * size : number * size]


class Shuffle(Rearrangement):
    """ShuffleNet's channel shuffle: `shuffle2`, the first channels of 2 groups, then the second, and so on.

    Zhang et al. 2017, arXiv:1707.01083, section 3.1.

    Example:
        >>> str(Shuffle(3))
        'shuffle3'
    """

    op = "shuffle"
    reach = "place"
    size_field = "groups"

    groups: int

    def output_shape(self, input_shape: Shape) -> Shape:
        check_groups(self, input_shape[-1], self.groups, self.op)
        return input_shape

    def seen(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-1], self.groups, -1).swapaxes(-1, -2)


class SpaceToDepth(Rearrangement):
    """Blocks of pixels as channels: `s2d`, blocks of 2x2, or `s2d4`.

    The channel c at row i and column j of its block becomes the channel (c * size + i) * size + j, as in PyTorch's
    `pixel_unshuffle`. ONNX's SpaceToDepth and TensorFlow's have (i * size + j) * C + c.

    Example:
        >>> SpaceToDepth().output_shape((26, 26, 64))
        (13, 13, 256)
    """

    op = "s2d"
    reach = "window"
    size_field = "block_size"

    block_size: int = 2

    def output_shape(self, input_shape: Shape) -> Shape:
        (height, width, channels), size = image_shape(self, input_shape), self.block_size
        if height % size or width % size:
            fits = f"{show_shape((-(-height // size) * size, -(-width // size) * size))} would fit"
            raise ShapeError(self, f"a height and a width that divide by {size}", f"{height}x{width}", fits)
        return height // size, width // size, channels * size * size

    def receptive_field(self, before: ReceptiveField, input_shape: Shape) -> ReceptiveField | None:
        size = image_shape(self, input_shape)[:2]
        return before.through(Window.over(size, self.block_size, stride=self.block_size))

    def seen(self, x: Array) -> Array:
        """Return (N, H / size, W / size, C, size, size)."""
        count, height, width, channels = x.shape
        size = self.block_size
        blocks = x.reshape(count, height // size, size, width // size, size, channels)
        return blocks.transpose(0, 1, 3, 5, 2, 4)


class DepthToSpace(Rearrangement):
    """Channels as blocks of pixels: `d2s`, blocks of 2x2, or `d2s4`. It undoes `s2d`, and is PyTorch's `pixel_shuffle`.

    The channel (c * size + i) * size + j becomes the channel c at row i and column j of a block; ONNX calls it CRD.

    Example:
        >>> DepthToSpace(3).output_shape((13, 13, 27))
        (39, 39, 3)
    """

    op = "d2s"
    size_field = "block_size"

    block_size: int = 2

    def output_shape(self, input_shape: Shape) -> Shape:
        (height, width, channels), size = image_shape(self, input_shape), self.block_size
        if channels % size**2:
            fits = f"{max(1, round(channels / size**2)) * size**2} channels would fit"
            raise ShapeError(self, f"channels that divide by {size}x{size}", f"{channels} channels", fits)
        return height * size, width * size, channels // size**2

    def receptive_field(self, before: ReceptiveField, input_shape: Shape) -> ReceptiveField | None:
        """Return None: neighbours have one field in common."""
        return None

    def seen(self, x: Array) -> Array:
        """Return (N, H, size, W, size, C / size^2)."""
        count, height, width, channels = x.shape
        size = self.block_size
        blocks = x.reshape(count, height, width, channels // size**2, size, size)
        return blocks.transpose(0, 1, 4, 2, 5, 3)


class Reshape(Rearrangement):
    """The same numbers in another shape: `reshape7x7x30`, in the order height, width, channels that `flatten` has.

    Example:
        >>> Reshape((7, 7, 30)).output_shape((1470,))
        (7, 7, 30)
    """

    op = "reshape"
    size_field = "shape"

    shape: Shape

    def output_shape(self, input_shape: Shape) -> Shape:
        if prod(input_shape) != prod(self.shape):
            got = f"{show_shape(input_shape)} = {prod(input_shape)}"
            raise ShapeError(self, f"{prod(self.shape)} numbers", got)
        return self.shape

    def sliding(self, input_shape: Shape) -> Layer | None:
        """Return the layer that does nothing, where a single pixel stays one."""
        flat = input_shape[:2] == (1, 1) and prod(self.shape[:-1]) == 1
        return Linear() if flat or self.shape == input_shape else None

    def receptive_field(self, before: ReceptiveField, input_shape: Shape) -> ReceptiveField | None:
        """Return None: pixels are no longer where they were."""
        return before if input_shape == self.shape else None

    def seen(self, x: Array) -> Array:
        return x


class ZeroPad(Layer):
    """Channels of zeros after those that come in, up to a number: `zeropad-64`.

    With a stride before it (`avg1,s2 zeropad-64`) it is the shortcut without parameters of He et al. 2015
    (arXiv:1512.03385, section 3.3, option A).

    Example:
        >>> ZeroPad(32).output_shape((16, 16, 16))
        (16, 16, 32)
    """

    op = "zeropad"
    reach = "place"
    keeps = ()
    filters_field = "out_channels"

    out_channels: int

    def output_shape(self, input_shape: Shape) -> Shape:
        height, width, channels = image_shape(self, input_shape)
        if channels > self.out_channels:
            fits = f"zeropad-{channels} would fit, and add no channels"
            raise ShapeError(self, f"at most {self.out_channels} channels", f"{channels}", fits)
        return height, width, self.out_channels

    def forward(self, x: Array, params: Params, context: Context) -> tuple[Array, Any]:
        out = context.output((*x.shape[:3], self.out_channels), x.dtype)
        out[..., : x.shape[3]], out[..., x.shape[3] :] = x, 0
        return out, x.shape

    def backward(self, grad: Array, cache: Any, params: Params, context: Context) -> Gradients:
        out = context.gradient(cache, grad.dtype)
        out[:] = grad[..., : cache[3]]
        return out, {}
