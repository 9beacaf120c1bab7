import io

import numpy as np
import pytest
from PIL import Image

from cnncli.images.reading import open_image


def palette_frame(draw, palette, transparency=None):
    image = Image.fromarray(np.array(draw, np.uint8))
    image.putpalette(palette)
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


RED, GREEN, GRAYS = [0, 0, 0, 255, 0, 0], [0, 0, 0, 0, 255, 0], [0, 0, 0, 90, 90, 90, 200, 200, 200]
LEFT, RIGHT = [[1, 1, 0, 0]] * 3, [[0, 0, 1, 1]] * 3


def animation(frames, **options):
    stream = io.BytesIO()
    frames[0].save(stream, "gif", save_all=True, append_images=frames[1:], optimize=False, **options)
    stream.seek(0)
    return stream


def frames_of(stream, **options):
    with open_image(stream, **options) as image:
        return [(frame.array(), frame.alpha(), frame.metadata) for frame in image.frames()]


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_frames_are_what_a_viewer_shows(disposal):
    parts = [palette_frame(LEFT, RED, 0), palette_frame(RIGHT, GREEN, 0)]
    frames = frames_of(animation(parts, disposal=disposal, duration=[50, 70]))
    assert len(frames) == 2
    (_, first_alpha, _), (second, alpha, metadata) = frames
    assert np.array_equal(first_alpha, [[255, 255, 0, 0]] * 3)
    stays = disposal in (0, 1)  # otherwise the left half is cleared before the second frame
    assert np.array_equal(alpha, [[255 * stays, 255 * stays, 255, 255]] * 3)
    assert (second[:, 2:] == (0, 255, 0)).all()
    assert not stays or (second[:, :2] == (255, 0, 0)).all()
    assert metadata.duration == 70


def test_gray_palettes_stay_gray_in_every_frame():
    levels = [np.array([[0, 1, 2, 2]] * 3), np.array([[2, 1, 0, 0]] * 3)]
    frames = frames_of(animation([palette_frame(level, GRAYS) for level in levels]))
    for (pixels, alpha, _), level in zip(frames, levels, strict=True):
        assert np.array_equal(pixels, np.array([0, 90, 200])[level])
        assert alpha is None


def test_one_coloured_frame_makes_all_of_them_colour():
    frames = frames_of(animation([palette_frame(LEFT, GRAYS), palette_frame(RIGHT, RED)]))
    assert [pixels.shape for pixels, _, _ in frames] == [(3, 4, 3)] * 2


def test_loops_and_a_single_frame():
    parts = [palette_frame(LEFT, RED), palette_frame(RIGHT, RED)]
    assert frames_of(animation(parts, loop=0))[0][2].loop == 0
    assert frames_of(animation(parts))[0][2].loop is None
    ((pixels, alpha, _),) = frames_of(animation(parts[:1]), gray=True)
    assert alpha is None
    assert np.array_equal(pixels, [[76, 76, 0, 0]] * 3)  # the luma of red
