"""NumPy and the operations of layers, loaded on first use: computing shapes loads no NumPy."""

from typing import TYPE_CHECKING, Any

from cnncli.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np

    from cnncli.networks.layers.context import Array, Context, Gradients, Params
    from cnncli.ops.batches import activation_gradients as activation_ops
    from cnncli.ops.batches import convolution_gradients as conv_ops
    from cnncli.ops.batches import norms as norm_ops
    from cnncli.ops.batches import pooling_gradients as pool_ops
    from cnncli.ops.batches import resampling as sampling_ops
    from cnncli.ops.batches import rows as row_ops
else:
    Array = Context = Gradients = Params = Any
    np = Lazy("numpy")
    activation_ops = Lazy("cnncli.ops.batches.activation_gradients")
    conv_ops = Lazy("cnncli.ops.batches.convolution_gradients")
    norm_ops = Lazy("cnncli.ops.batches.norms")
    pool_ops = Lazy("cnncli.ops.batches.pooling_gradients")
    sampling_ops = Lazy("cnncli.ops.batches.resampling")
    row_ops = Lazy("cnncli.ops.batches.rows")

__all__ = ["Array", "Context", "Gradients", "Params", "np"]
__all__ += ["activation_ops", "conv_ops", "norm_ops", "pool_ops", "row_ops", "sampling_ops"]
