"""Types of arrays: one of any shape, and what its numbers are."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
DType = np.dtype[Any]
