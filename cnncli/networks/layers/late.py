"""What layers compute with, loaded when one first computes: what only computes shapes loads no NumPy."""

from typing import TYPE_CHECKING

from cnncli.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np

    from cnncli.ops.batches import activation_gradients as activation_ops
    from cnncli.ops.batches import convolution_gradients as convolution_ops
    from cnncli.ops.batches import norms as norm_ops
    from cnncli.ops.batches import pooling_gradients as pooling_ops
    from cnncli.ops.batches import resampling as resampling_ops
    from cnncli.ops.batches import rows as row_ops
else:
    np = Lazy("numpy")
    activation_ops = Lazy("cnncli.ops.batches.activation_gradients")
    convolution_ops = Lazy("cnncli.ops.batches.convolution_gradients")
    norm_ops = Lazy("cnncli.ops.batches.norms")
    pooling_ops = Lazy("cnncli.ops.batches.pooling_gradients")
    resampling_ops = Lazy("cnncli.ops.batches.resampling")
    row_ops = Lazy("cnncli.ops.batches.rows")

__all__ = ["activation_ops", "convolution_ops", "norm_ops", "np", "pooling_ops", "resampling_ops", "row_ops"]
