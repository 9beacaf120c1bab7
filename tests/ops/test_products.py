"""Matrix products in parts."""

import numpy as np
import pytest

from cnncli.ops.batches import products
from cnncli.ops.batches.products import multiply


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize(
    "shape", [(6, 705, 96, 32), (1, 4096, 27, 32), (2, 200, 192, 64), (6, 30, 96, 32), (1, 99, 9, 200)]
)
def test_parts_make_the_product(shape, parts, monkeypatch):
    monkeypatch.setattr(products, "_has_small_kernels", lambda: parts)
    batch, rows, depth, width = shape
    rng = np.random.default_rng(0)
    # Rows that overlap, and outputs with others between them, as Winograd's filtering has them.
    pixels = rng.normal(size=(batch, rows + 2, depth // 3))
    a = np.lib.stride_tricks.sliding_window_view(pixels, 3, axis=1).swapaxes(2, 3).reshape(batch, rows, -1)
    b, out = rng.normal(size=(batch, a.shape[-1], width)), np.zeros((batch, 3 * rows, width))
    multiply(a, b, out=out[:, 1::3])
    np.testing.assert_allclose(out[:, 1::3], a @ b, rtol=1e-12, atol=1e-12)
    assert not out[:, ::3].any()
    assert not out[:, 2::3].any()


@pytest.mark.parametrize(
    ("shape", "pays"),
    [((300, 96, 32), False), ((4000, 96, 32), True), ((2000, 384, 128), False), ((2000, 2304, 64), False)],
)
def test_only_narrow_products_of_many_rows_are_in_parts(shape, pays):
    rows, depth, width = shape
    assert products._multiply_in_parts(np.ones((rows, depth)), np.ones((depth, width)), np.empty((rows, width))) is pays
