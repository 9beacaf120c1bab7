import sys
from pathlib import Path

import numpy as np
import pytest

from cnncli.files.matrices import read_matrix
from cnncli.images.reading import open_image, read_image

SAMPLES = Path(__file__).parents[2] / "samples"
FILES = sorted(path.name for path in SAMPLES.iterdir() if path.suffix not in (".py", ".sh"))


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory):
    """The samples, drawn anew by their script."""
    import runpy

    folder = tmp_path_factory.mktemp("samples")
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    runpy.run_path(str(SAMPLES / "make_samples.py"))["main"](folder)
    sys.dont_write_bytecode = before
    return folder


def frames(path):
    with open_image(path) as image:
        return [(frame.array(), frame.alpha()) for frame in image.frames()]


def test_the_script_draws_the_same_pixels_again(redrawn):
    drawn = {path.name for path in redrawn.iterdir()}
    assert drawn >= {"scene.png", "scene.jpg", "step.png", "volume.npy", "spinner.gif", "disc.png", "ramp16.png"}
    for name in drawn - {"scene.jpg", "strokes.jpg"}:
        for (old, old_alpha), (new, new_alpha) in zip(frames(SAMPLES / name), frames(redrawn / name), strict=True):
            assert np.array_equal(old, new), name
            assert np.array_equal(old_alpha, new_alpha), name
    for name in ("scene.jpg", "strokes.jpg"):
        again = read_image(redrawn / name).astype(int)
        assert np.abs(again - read_image(SAMPLES / name)).max() <= 4  # JPEG coders may round differently


def test_the_samples_are_what_their_names_say():
    step, mirrored = [[10, 10, 10, 0, 0, 0]] * 6, [[0, 0, 0, 10, 10, 10]] * 6
    checker = step[:3] + mirrored[:3]
    for name, matrix in (("step", step), ("mirrored", mirrored), ("checker", checker)):
        assert np.array_equal(read_image(SAMPLES / f"{name}.txt"), matrix)
    assert np.array_equal(read_image(SAMPLES / "step.png"), step)
    assert np.array_equal(read_image(SAMPLES / "checker.png"), checker)
    volume = read_image(SAMPLES / "volume.npy")
    assert volume.shape == (6, 6, 3)
    assert volume.dtype == np.int64
    assert read_matrix(SAMPLES / "sobel.txt") == ((1, 0, -1), (2, 0, -2), (1, 0, -1))
    assert read_image(SAMPLES / "scene.png").shape == (320, 480, 3)
    assert read_image(SAMPLES / "ramp16.png").dtype == np.uint16
    assert read_image(SAMPLES / "colour16.png").dtype == np.uint16
    disc = read_image(SAMPLES / "disc.png", alpha=True)
    assert disc[0, 0, 3] == 0
    assert disc[0, 0, :3].any()
    turning = frames(SAMPLES / "spinner.gif")
    assert len(turning) == 8
    assert {pixels.shape for pixels, _ in turning} == {(48, 48)}


def test_the_samples_are_small():
    assert sum((SAMPLES / name).stat().st_size for name in FILES) < 400_000
