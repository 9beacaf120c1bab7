import numpy as np
import pytest
from animated import outside, window

from cnncli import ArgumentError, explain_pooling, pool_image
from cnncli.animations.frames import Kind
from cnncli.animations.pooling import animate_pool

IMAGE = np.random.default_rng(3).integers(-9, 10, (6, 7))


@pytest.mark.parametrize("mode", ["max", "avg", "min"])
@pytest.mark.parametrize(
    ("kernel_size", "options"),
    [
        (2, {}),
        (3, {"stride": 2, "padding": 1}),
        ((2, 3), {"stride": 1, "padding": "same"}),
        (3, {"stride": 2, "ceil_mode": True}),
        (3, {"stride": (3, 2), "padding": (0, 1), "ceil_mode": True}),
        (None, {}),
    ],
)
def test_frames_are_those_of_explain(mode, kernel_size, options):
    shown = animate_pool(IMAGE, kernel_size, mode=mode, **options)
    assert np.array_equal(shown.output, pool_image(IMAGE, kernel_size, mode=mode, **options))
    for frame in shown.frames:
        explained = explain_pooling(IMAGE, frame.column, frame.row, kernel_size, mode=mode, **options)
        (seen,) = explained.windows
        assert (frame.value,) == explained.values
        assert [*frame.steps] == [*seen.lines()][-1:]
        assert outside(shown, frame) == tuple(seen.outside.ravel().tolist())
        numbers = window(shown, frame)
        assert [number for number in numbers if number is not None] == seen.counted
        chosen = {numbers[tap] for tap in frame.chosen}
        assert chosen == (set() if mode == "avg" else {frame.value})


def test_every_cell_that_holds_the_maximum_is_chosen():
    (frame,) = animate_pool([[3, 1], [0, 3]]).frames
    assert frame.chosen == (0, 3)


def test_the_padding_has_no_number():
    shown = animate_pool([[-1]], 3, padding=1)
    assert [kind for row in shown.kinds for kind in row].count(Kind.PADDING) == 8
    assert shown.planes == (((None,) * 3, (None, -1, None), (None,) * 3),)
    assert shown.output == ((-1,),)


def test_several_channels_are_refused():
    with pytest.raises(ArgumentError, match="3 channels"):
        animate_pool(np.zeros((4, 4, 3)))
