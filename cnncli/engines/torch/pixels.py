"""The gradient of layers' outputs with respect to the images, by PyTorch."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cnncli.arrays import Array
from cnncli.engines.pixels.gradient import PixelGradient
from cnncli.engines.pixels.passes import Pass, Weights, at_borders
from cnncli.engines.pixels.reflection import Reflected, border_indices
from cnncli.engines.pixels.steps import IMAGES, Step
from cnncli.engines.torch.compilation import JOINS, compile_layer
from cnncli.engines.torch.engine import exactly, images_tensor
from cnncli.engines.torch.weights import set_state
from cnncli.networks import Network
from cnncli.networks.layers import Block
from cnncli.networks.layers.context import Context, within
from cnncli.shapes import Shape


class TorchPixelGradient(PixelGradient):
    """`PixelGradient` by PyTorch, on a device.

    Example:
        >>> from cnncli.networks import parse_network
        >>> from cnncli.engines.initialization import initialize
        >>> network = parse_network("8x8x3 conv3-4,relu max2 fc-2")
        >>> pixels = TorchPixelGradient(network, *initialize(network, seed=0), ["1"])
        >>> outputs = pixels.outputs(np.zeros((1, 10, 12, 3), np.float32))
        >>> pixels.gradient(outputs).shape
        (1, 10, 12, 3)
    """

    def __init__(
        self,
        network: Network,
        parameters: Mapping[str, Array],
        buffers: Mapping[str, Array],
        layers: Iterable[str],
        *,
        dtype: npt.DTypeLike = np.float32,
        jobs: int | None = None,
        borders: str = "zeros",
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(network, parameters, buffers, layers, dtype=dtype, jobs=jobs or 1, borders=borders)
        self.device = torch.device(device)
        if jobs is not None and self.device.type == "cpu":
            torch.set_num_threads(jobs)

    def _begin(self, input_shape: Shape) -> Pass:
        return TorchPass(self._weights, input_shape, self.layers, self.device)


class TorchPass(Pass):
    """A pass by PyTorch, which remembers what it needs to go back."""

    def __init__(self, weights: Weights, input_shape: Shape, names: Mapping[str, str], device: torch.device) -> None:
        super().__init__(weights, input_shape, names)
        self._device = device
        self._modules = {number: _module(step, weights).to(device) for number, step in self.steps.items()}
        self._values: dict[int, Tensor] = {}

    def forward(self, images: Array) -> dict[int, Array]:
        wanted = {IMAGES, *self.numbers.values()}
        values = {IMAGES: images_tensor(images, self._device).detach().requires_grad_()}
        with exactly(self._device):
            for number, step in self.steps.items():
                values[number] = self._modules[number](*[values[source] for source in step.sources])
        self._values = {number: value for number, value in values.items() if number in wanted}
        return {number: _channels_last(value) for number, value in self._values.items()}

    def backward(self, slopes: list[tuple[int, Array]], by: int) -> Array:
        values, self._values = self._values, {}
        wanted = values[by]
        tensors = [images_tensor(slope, self._device) for _, slope in slopes]
        # The sum has the layer itself in it where its own slope is given, too.
        outputs = [values[number] for number, _ in slopes]
        with exactly(self._device):
            (found,) = torch.autograd.grad(outputs, [wanted], tensors, allow_unused=True)
        return _channels_last(torch.zeros_like(wanted) if found is None else found)


def _channels_last(tensor: Tensor) -> Array:
    """Return a copy as (N, H, W, C) or (N, features)."""
    tensor = tensor.detach()
    array: Array = (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).cpu().numpy().copy(order="C")
    return array


class _Join(nn.Module):
    """The joining of a block's branches."""

    def __init__(self, op: str) -> None:
        super().__init__()
        self.op = op

    def forward(self, *results: Tensor) -> Tensor:
        return JOINS[self.op](list(results))


class _Reflection(nn.Module):
    """Rows and columns repeated at the borders, of pictures of any size: PyTorch's own needs more than the padding."""

    rows: Tensor
    columns: Tensor

    def __init__(self, rows: Array, columns: Array) -> None:
        super().__init__()
        self.register_buffer("rows", torch.from_numpy(rows.astype(np.int64)))
        self.register_buffer("columns", torch.from_numpy(columns.astype(np.int64)))

    def forward(self, x: Tensor) -> Tensor:
        return x.index_select(2, self.rows).index_select(3, self.columns)


def _module(step: Step, weights: Weights) -> nn.Module:
    """Return a step's module, with its weights, ready to predict."""
    layer, shape = at_borders(step, weights.borders), step.input_shape
    if isinstance(layer, Block):
        return _Join(layer.op)
    modules: list[nn.Module] = []
    if isinstance(layer, Reflected):
        indices = border_indices(shape, layer.padding)
        modules.append(_Reflection(*indices))
        layer, shape = layer.convolution, (*map(len, indices), shape[2])
    # The names of arrays tell the order of their axes by the layer's word before them.
    module = nn.Sequential(OrderedDict({layer.op: compile_layer(layer, shape, Context(None, step.path))}))
    module.to(torch.from_numpy(np.empty(0, weights.dtype)).dtype).requires_grad_(False)
    own = (
        {f"{layer.op}.{name}": array for name, array in within(arrays, step.path).items()}
        for arrays in (weights.parameters, weights.buffers)
    )
    set_state(module, *own)
    return nn.Sequential(*modules, module).eval()
