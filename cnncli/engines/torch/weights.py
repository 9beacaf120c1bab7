"""Arrays of a network in PyTorch's order of axes.

cnncli keeps all trainable numbers in one flat vector, filters as (f_h, f_w, C_in, C_out). PyTorch wants (C_out, C_in,
f_h, f_w). Both are views of the same memory, so that each side sees the changes of the other, and nothing is copied.
"""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cnncli.arrays import Array
from cnncli.engines.torch.compilation import compile_network
from cnncli.networks import LAYERS, Layer, Network
from cnncli.shapes import Shape


def torch_axes(name: str, dimensions: int) -> tuple[int, ...]:
    """Return the permutation of an array's axes from ours to PyTorch's.

    Example:
        >>> torch_axes("0.conv.weight", 4), torch_axes("0.conv.bias", 1)
        ((3, 2, 0, 1), (0,))
    """
    *_, op, role = ("", *name.split("."))
    return LAYERS.get(op, Layer).torch_order(role, dimensions)


def torch_views(flat: Tensor, shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """Return the arrays that a flat vector holds one after the other, in PyTorch's order of axes."""
    parts = zip(shapes.items(), flat.split([*map(prod, shapes.values())]), strict=True) if shapes else ()
    return {name: part.view(shape).permute(torch_axes(name, len(shape))) for (name, shape), part in parts}


def bind_parameters(module: nn.Module, flat: Tensor, gradients: Tensor, shapes: Mapping[str, Shape]) -> None:
    """Make the parameters of a module, and their gradients, views of two flat vectors."""
    slopes = torch_views(gradients, shapes)
    for name, view in torch_views(flat, shapes).items():
        parameter = nn.Parameter(view)
        parameter.grad = slopes[name]
        owner, _, last = name.rpartition(".")
        setattr(module.get_submodule(owner), last, parameter)


def bind_buffers(module: nn.Module, flat: Tensor, shapes: Mapping[str, Shape]) -> None:
    """Make the untrained arrays of a module views of a flat vector."""
    for name, view in torch_views(flat, shapes).items():
        owner, _, last = name.rpartition(".")
        module.get_submodule(owner).register_buffer(last, view)


def flattened(arrays: Mapping[str, Array], shapes: Iterable[str], dtype: np.dtype[Any]) -> Array:
    """Return arrays in the order of names, one after the other."""
    parts = [np.asarray(arrays[name], dtype).ravel() for name in shapes]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def to_torch(network: Network, parameters: Mapping[str, Array], buffers: Mapping[str, Array]) -> nn.Module:
    """Return a network with weights as a module of PyTorch, ready to predict.

    Args:
        network: the network, with its last softmax if it has one.
        parameters: the trained arrays by name, filters as (f_h, f_w, C_in, C_out).
        buffers: the others.

    Returns:
        A module that takes normalised (N, C, H, W); its state has the names of `parameters` and `buffers`.

    Example:
        >>> from cnncli.networks import parse_network
        >>> from cnncli.engines.initialization import initialize
        >>> network = parse_network("8x8x1 conv3-4,relu fc-2")
        >>> module = to_torch(network, *initialize(network, seed=0))
        >>> tuple(module(torch.zeros(5, 1, 8, 8)).shape)
        (5, 2)
    """
    module = compile_network(network).eval()
    set_state(module, parameters, buffers)
    return module


def set_state(module: nn.Module, parameters: Mapping[str, Array], buffers: Mapping[str, Array]) -> None:
    """Set a module's parameters and buffers to cnncli's arrays of the same names."""
    given = {**parameters, **buffers}
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            ours = torch.from_numpy(np.array(given[name]))
            tensor.copy_(ours.permute(torch_axes(name, ours.ndim)))


def from_torch(network: Network, module: nn.Module) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return cnncli's parameters and buffers of a module that `compile_network` or `to_torch` made."""
    state = {
        name: tensor.detach().cpu().permute(tuple(np.argsort(torch_axes(name, tensor.ndim)))).contiguous().numpy()
        for name, tensor in module.state_dict().items()
    }
    return {name: state[name] for name in network.param_shapes()}, {
        name: state[name] for name in network.buffer_shapes()
    }
