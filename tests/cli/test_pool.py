"""Every option of `cnncli pool`, by its effect on photographs, against scikit-image and SciPy."""

import numpy as np
import pytest
import tifffile
from oracles import PHOTOGRAPHS, gray_photograph, photograph, random_image
from PIL import Image, ImageCms
from scipy import ndimage
from shell import done, json_lines, listing, process, save, save_photograph
from skimage.measure import block_reduce

from cnncli.choices import POOLING_MODES

REDUCE = {"max": np.max, "avg": np.mean, "min": np.min}
GRAY = gray_photograph("camera")[100:164, 200:280]
RGB = np.array(photograph("astronaut")[20:84, 200:280])


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def pooled(*words, stdin=None):
    """The exact numbers that the command writes."""
    done("pool", *words, "-o", "pooled.npy", "--force", stdin=stdin)
    return np.load("pooled.npy")


def picture(*words):
    done("pool", *words, "-o", "picture.png", "--force")
    with Image.open("picture.png") as image:
        return np.array(image)


def blocks(image, size, mode):
    """Whole blocks alone: what is left over at the right and below is dropped."""
    height, width = (n // size * size for n in image.shape[:2])
    return block_reduce(image[:height, :width], (size, size) + (1,) * (image.ndim - 2), REDUCE[mode])


def test_every_mode_is_tested():
    assert set(REDUCE) == set(POOLING_MODES)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("mode", POOLING_MODES)
@pytest.mark.parametrize("size", [2, 3, 7])
def test_blocks_are_scikit_images(name, mode, size):
    path = save_photograph(".", name)
    expected = blocks(photograph(name), size, mode)
    np.testing.assert_allclose(pooled(path, "-f", size, "--mode", mode), expected, rtol=1e-6)
    found = picture(path, "-f", size, "--mode", mode)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 0.5 + 1e-5


def test_the_default_halves_by_the_maximum():
    save(".", GRAY)
    assert np.array_equal(pooled("image.png"), blocks(GRAY, 2, "max"))
    done("pool", "image.png")
    assert "image-max.png" in listing(".")


@pytest.mark.parametrize(("mode", "window"), [("max", ndimage.maximum_filter), ("min", ndimage.minimum_filter)])
@pytest.mark.parametrize("stride", ["1", "2", "3,1"])
def test_windows_that_overlap(mode, window, stride):
    save(".", GRAY)
    down, across = (int(n) for n in (stride.split(",") * 2)[:2])
    expected = window(GRAY, 3)[1:-1:down, 1:-1:across]
    assert np.array_equal(pooled("image.png", "-f", "3", "-s", stride, "--mode", mode), expected)


def test_windows_higher_than_wide():
    save(".", GRAY)
    expected = block_reduce(GRAY, (4, 2), np.max)
    assert np.array_equal(pooled("image.png", "-f", "4,2"), expected)
    assert np.array_equal(pooled("image.png", "-f", "4x2"), expected)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_padding_never_wins_and_never_counts(mode):
    numbers = -1.0 - random_image((6, 6)).astype(float)
    np.save("numbers.npy", numbers)
    padded = np.pad(numbers, 1, constant_values=np.nan)
    expected = block_reduce(padded, (2, 2), {"max": np.nanmax, "avg": np.nanmean, "min": np.nanmin}[mode])
    np.testing.assert_allclose(pooled("numbers.npy", "-p", "1", "--mode", mode), expected)


def test_same_padding_keeps_every_pixel():
    save(".", GRAY[:33, :35])
    assert pooled("image.png", "-p", "same").shape == (17, 18)
    assert pooled("image.png", "-p", "valid").shape == (16, 17)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_ceil_keeps_the_remainder_undarkened(mode):
    save(".", GRAY[:33, :35])
    padded = np.pad(GRAY[:33, :35].astype(float), ((0, 2), (0, 0)), constant_values=np.nan)
    reduce = {"max": np.nanmax, "avg": np.nanmean, "min": np.nanmin}[mode]
    np.testing.assert_allclose(
        pooled("image.png", "-f", "5", "--ceil", "--mode", mode), block_reduce(padded, (5, 5), reduce), rtol=1e-6
    )
    assert pooled("image.png", "-f", "5", "--mode", mode).shape == (6, 7)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_global_pooling_is_one_number_a_channel(mode):
    save(".", RGB)
    np.testing.assert_allclose(
        pooled("image.png", "--global", "--mode", mode), REDUCE[mode](RGB, (0, 1), keepdims=True)
    )


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
def test_16_bits_in_16_bits_out(shape):
    pixels = random_image(shape, np.uint16)
    np.save("deep.npy", pixels)
    done("pool", "deep.npy", "-o", "deep.tif")
    assert np.array_equal(tifffile.imread("deep.tif"), blocks(pixels, 2, "max"))


def test_alpha_is_pooled_with_its_colours():
    alpha = random_image(RGB.shape[:2], seed=2) | 1
    save(".", np.dstack([RGB, alpha]))
    found = picture("image.png", "--mode", "avg")
    assert np.abs(found[..., 3] - blocks(alpha, 2, "avg")).max() <= 0.5
    assert np.abs(found[..., :3] - blocks(RGB, 2, "avg")).max() <= 0.5


def test_colours_that_nobody_sees_do_not_win():
    pixels = np.full((8, 8, 4), 100, np.uint8)
    pixels[0, 0] = [255, 255, 255, 0]
    save(".", pixels)
    assert (picture("image.png")[..., :3] == 100).all()


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_numbers_that_are_none_are_black_without_a_word(mode):
    numbers = np.linspace(0, 1, 16).reshape(4, 4)
    numbers[0, 0], numbers[3, 3], numbers[0, 3] = np.nan, np.inf, -np.inf
    np.save("numbers.npy", numbers)
    result = process("pool", "numbers.npy", "--mode", mode, "-o", "out.png", "-q")
    assert (result.returncode, result.stderr) == (0, b"")
    with Image.open("out.png") as found:
        assert np.array(found)[0, 0] == 0


def test_a_profile_is_kept_with_its_colours():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save(".", RGB, icc_profile=profile)
    done("pool", "image.png", "-o", "out.png")
    with Image.open("out.png") as found:
        assert found.info["icc_profile"] == profile


def test_vertical_is_as_the_viewer_sees_it():
    exif = Image.Exif()
    exif[0x0112] = 8
    save(".", GRAY, exif=exif)
    assert np.array_equal(pooled("image.png", "-f", "4,2"), block_reduce(np.rot90(GRAY), (4, 2), np.max))


def test_frames_are_pooled_each_by_itself():
    frames = [gray_photograph("camera")[y : y + 30, 200:240] for y in (0, 100, 300)]
    first, *others = map(Image.fromarray, frames)
    first.save("frames.gif", save_all=True, append_images=others, duration=[40, 80, 120])
    done("pool", "frames.gif", "-o", "out.gif")
    with Image.open("out.gif") as found:
        for index, frame in enumerate(frames):
            found.seek(index)
            assert found.info["duration"] == 40 * (index + 1)
            assert np.array_equal(found.convert("L"), blocks(frame, 2, "max"))


def test_the_courses_answer_through_pipes():
    text = "1 3 2 1\n2 9 1 1\n1 3 2 3\n5 6 1 2\n"
    result = process("pool", "-", "-o", "-", stdin=text.encode())
    assert (result.returncode, result.stdout, result.stderr) == (0, b"9 2\n6 3\n", b"")
    average = done("pool", "-", "--mode", "avg", "-o", "-", stdin=text)
    assert np.array_equal(np.loadtxt(average.stdout.splitlines()), [[3.75, 1.25], [3.75, 2]])


def test_a_float_tiff_holds_the_exact_mean():
    save(".", GRAY)
    done("pool", "image.png", "--mode", "avg", "--format", "float-tiff", "-o", "mean.tif")
    done("pool", "image.png", "--mode", "max", "--format", "float-tiff", "-o", "max.tif")
    for mode in ("mean", "max"):
        found = tifffile.imread(f"{mode}.tif")
        assert found.dtype.kind == "f"
        np.testing.assert_allclose(found, blocks(GRAY, 2, "avg" if mode == "mean" else mode), rtol=1e-6)


def test_a_json_line_reports_the_exact_numbers():
    numbers = np.linspace(-1, 2, 24).reshape(4, 6)
    np.save("numbers.npy", numbers)
    (line,) = json_lines(done("pool", "numbers.npy", "-f", "2", "--json", "-o", "out.png"))
    exact = blocks(numbers, 2, "max")
    assert (line["filter"], line["input_shape"], line["output_shape"]) == ("max", [4, 6], [2, 3])
    assert (line["min"], line["max"]) == pytest.approx((exact.min(), exact.max()))
    assert line["clipped_fraction"] == pytest.approx(((exact < 0) | (exact > 1)).mean(), abs=1e-6)
