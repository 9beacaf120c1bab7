"""Every option of `cnncli edge`, by its effect on photographs, against independent answers."""

import json

import cv2
import numpy as np
import pytest
import tifffile
from oracles import NUMPY_MODES, PHOTOGRAPHS, WITH_KERNELS, gray_photograph, naive_conv2d, photograph, random_image
from PIL import Image, ImageCms
from scipy import ndimage
from shell import cnncli, done, json_lines, listing, process, save, save_photograph

from cnncli.choices import ACTIVATIONS, CHANNELS, DIRECTIONS, PADDING_MODES, SIGNED
from cnncli.filters.chains import Chain

KEYS = [
    "input",
    "output",
    "status",
    "error",
    "filter",
    "input_shape",
    "output_shape",
    "min",
    "max",
    "clipped_fraction",
    "seconds",
]  # the contract of a JSON line, in this order
VERTICAL = [[1, 0, -1]] * 3
GRAY = gray_photograph("camera")[100:164, 200:280]
RGB = np.array(photograph("astronaut")[20:84, 200:280])


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def response(*words, stdin=None):
    """The exact response that the command writes."""
    done("edge", *words, "-o", "response.npy", "--force", stdin=stdin)
    return np.load("response.npy")


def picture(*words, suffix=".png"):
    done("edge", *words, "-o", f"picture{suffix}", "--force")
    return np.asarray(loaded(f"picture{suffix}"))


def loaded(path):
    """A picture file as Pillow opens it, and closed again."""
    with Image.open(path) as image:
        image.load()
    return image


def correlated(image, kernel, mode="mirror", **options):
    return ndimage.correlate(np.asarray(image, np.float64), np.asarray(kernel, np.float64), mode=mode, **options)


# The arithmetic


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize(("direction", "axis"), [("vertical", (1, 0)), ("horizontal", (0, 1))])
def test_sobel_is_opencvs_with_the_courses_sign(name, suffix, direction, axis):
    path = save_photograph(".", name, suffix)
    # Pillow and OpenCV make the same grey of a JPEG (its luma plane), and differ by a rounding for other colours.
    gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if suffix == ".jpg" else np.asarray(loaded(path).convert("L"))
    assert np.array_equal(response(path, "-f", "sobel", "-d", direction), -cv2.Sobel(gray, cv2.CV_16S, *axis))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_magnitude_is_opencvs(name):
    gray = np.asarray(loaded(save_photograph(".", name)).convert("L"))
    across, down = (cv2.Scharr(gray, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
    found = response(f"{name}.png", "-f", "scharr")
    np.testing.assert_allclose(found, cv2.magnitude(across, down), rtol=1e-6)
    assert np.array_equal(found, response(f"{name}.png", "-f", "scharr", "-d", "magnitude"))


@pytest.mark.parametrize("name", WITH_KERNELS)
def test_every_filter_is_its_kernel_correlated(name):
    save(".", GRAY)
    for index, kernel in enumerate(WITH_KERNELS[name].kernels):
        direction = ["-d", DIRECTIONS[index]] if len(WITH_KERNELS[name].kernels) == 2 else []
        expected = correlated(GRAY, kernel, origin=[-1, -1] if len(kernel) == 2 else 0)
        np.testing.assert_allclose(response("image.png", "-f", name, *direction), expected, rtol=1e-5, atol=1e-3)


def test_the_angle_is_in_radians():
    save(".", GRAY)
    across, down = correlated(GRAY, VERTICAL), correlated(GRAY, np.transpose(VERTICAL))
    np.testing.assert_allclose(
        response("image.png", "-f", "prewitt", "-d", "angle"), np.arctan2(down, across), atol=1e-6
    )


def test_the_default_filter_is_sobel():
    save(".", GRAY)
    assert np.array_equal(response("image.png"), response("image.png", "-f", "sobel", "-d", "magnitude"))


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("padding", ["2", "1,3", "1,2,3,0"])
def test_padding_and_its_modes_are_numpys(mode, padding):
    save(".", GRAY)
    numbers = [int(number) for number in padding.split(",")]
    top, bottom, left, right = {1: numbers * 4, 2: np.repeat(numbers, 2), 4: numbers}[len(numbers)]
    padded = np.pad(GRAY.astype(int), ((top, bottom), (left, right)), NUMPY_MODES[mode])
    expected = correlated(padded, VERTICAL)[1:-1, 1:-1]
    assert np.array_equal(response("image.png", "-f", "vertical", "-p", padding, "--padding-mode", mode), expected)


def test_a_matrix_of_text_is_padded_with_zeros_and_a_picture_is_not():
    typed = "10 10 0\n" * 3
    padded = correlated([[10, 10, 0]] * 3, VERTICAL, mode="constant")
    result = done("edge", "-", "-f", "vertical", "-o", "response.npy", stdin=typed)
    assert np.array_equal(np.load("response.npy"), padded)
    assert "a matrix is padded with zeros; --padding-mode reflect pads it as a picture" in result.stderr
    reflected = correlated([[10, 10, 0]] * 3, VERTICAL)
    assert np.array_equal(response("-", "-f", "vertical", "--padding-mode", "reflect", stdin=typed), reflected)
    save(".", np.array([[10, 10, 0]] * 3, np.uint8))
    result = done("edge", "image.png", "-f", "vertical", "-o", "picture.npy")
    assert np.array_equal(np.load("picture.npy"), reflected)
    for quiet in (["-q"], ["-p", "valid"]):
        assert (
            "padded"
            not in done("edge", "-", "-f", "vertical", "-o", "response.npy", "--force", *quiet, stdin=typed).stderr
        )


def test_valid_padding_keeps_whole_windows_alone():
    save(".", GRAY)
    assert np.array_equal(
        response("image.png", "-f", "vertical", "-p", "valid"), correlated(GRAY, VERTICAL)[1:-1, 1:-1]
    )


@pytest.mark.parametrize(("stride", "dilation"), [("2", "1"), ("3,2", "1"), ("1", "2"), ("2x3", "3,2")])
def test_stride_and_dilation(stride, dilation):
    save(".", GRAY)
    pairs = [[int(n) for n in text.replace("x", ",").split(",")] * (1 + text.isdigit()) for text in (stride, dilation)]
    weight = np.array(VERTICAL)[:, :, None, None]
    expected = naive_conv2d(GRAY[:, :, None], weight, stride=pairs[0], dilation=pairs[1])[..., 0]
    found = response("image.png", "-f", "vertical", "-p", "valid", "-s", stride, "--dilation", dilation)
    assert np.array_equal(found, expected)


def test_flip_is_mathematical_convolution():
    save(".", GRAY)
    kernel = np.arange(9).reshape(3, 3)
    flipped = response("image.png", "-k", "0 1 2; 3 4 5; 6 7 8", "--flip")
    assert np.array_equal(flipped, ndimage.convolve(GRAY.astype(int), kernel, mode="mirror"))


def test_bias_and_activation_come_after_the_sum():
    save(".", GRAY)
    plain = response("image.png", "-f", "vertical")
    assert np.array_equal(response("image.png", "-f", "vertical", "--bias", "-7"), plain - 7)
    np.testing.assert_allclose(response("image.png", "-f", "vertical", "--bias", "0.5"), plain + 0.5)
    found = response("image.png", "-f", "vertical", "--bias", "-7", "--activation", "relu")
    assert np.array_equal(found, np.maximum(plain - 7, 0))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name):
    plain = np.linspace(-3, 3, 12).reshape(3, 4)
    np.save("numbers.npy", plain)
    formulas = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
    found = response("numbers.npy", "-k", "1", "--activation", name)
    np.testing.assert_allclose(found, formulas[name](plain), rtol=1e-12)


# Colour


def test_each_channel_by_itself():
    save(".", RGB)
    expected = np.dstack([correlated(RGB[..., channel], VERTICAL) for channel in range(3)])
    assert np.array_equal(response("image.png", "-f", "vertical", "--color", "each"), expected)


def test_a_volume_is_summed_over_its_channels():
    save(".", RGB)
    each = response("image.png", "-f", "vertical", "--color", "each")
    assert np.array_equal(response("image.png", "-f", "vertical", "--color", "volume"), each.sum(axis=2))


@pytest.mark.parametrize("channel", CHANNELS)
def test_on_keeps_one_channel(channel):
    save(".", RGB)
    expected = correlated(RGB[..., CHANNELS.index(channel)], VERTICAL)
    assert np.array_equal(response("image.png", "-f", "vertical", "--on", channel), expected)
    assert np.array_equal(response("image.png", "-f", "vertical", "--color", "volume", "--on", channel), expected)


def test_a_kernel_of_three_dimensions_covers_the_volume():
    save(".", RGB)
    kernel = random_image((3, 3, 3), np.int8, seed=1).astype(int)
    np.save("kernel.npy", kernel)
    expected = sum(correlated(RGB[..., channel], kernel[..., channel]) for channel in range(3))
    assert np.array_equal(response("image.png", "-k", "kernel.npy", "--color", "volume"), expected)


def test_a_gray_photograph_is_the_same_in_every_color():
    save(".", GRAY)
    found = [response("image.png", "-f", "sobel", "--color", color) for color in ("gray", "each", "volume")]
    assert np.allclose(found[0], found[1])
    assert np.allclose(found[0], found[2])


# From numbers to a picture


def levels(numbers):
    return np.clip(np.rint(np.abs(numbers)), 0, 255).astype(np.uint8)


def softened(numbers, white=255):
    """Return levels of scale `soft` for numbers whose full edge is `white`."""
    shares = np.abs(numbers) / white
    return np.clip(np.rint(white * 9 * shares / (1 + 8 * shares)), 0, white)


@pytest.mark.parametrize(
    "name", [name for name, entry in WITH_KERNELS.items() if entry.look.scale != "none" and entry.look.signed == "abs"]
)
def test_unit_scale_makes_a_full_step_full_white(name):
    save(".", GRAY)
    exact = response("image.png", "-f", name)
    np.testing.assert_array_max_ulp(
        picture("image.png", "-f", name, "--scale", "unit").astype(np.float32),
        levels(exact / Chain.of(name).unit).astype(np.float32),
        maxulp=0,
    )


def test_scales():
    save(".", GRAY)
    exact = response("image.png", "-f", "vertical").astype(float)
    assert np.array_equal(picture("image.png", "-f", "vertical"), softened(exact / 3))
    assert np.array_equal(picture("image.png", "-f", "vertical", "--scale", "soft"), softened(exact / 3))
    assert np.array_equal(picture("image.png", "-f", "vertical", "--scale", "unit"), levels(exact / 3))
    assert np.array_equal(picture("image.png", "-f", "vertical", "--scale", "none"), cv2.convertScaleAbs(exact))
    assert np.array_equal(picture("image.png", "-f", "vertical", "--scale", "0.5"), levels(exact * 0.5))
    stretched = picture("image.png", "-f", "vertical", "--scale", "auto")
    assert np.array_equal(stretched, levels(exact * 255 / np.abs(exact).max()))
    most = np.percentile(np.abs(exact), 99.5, method="inverted_cdf")
    assert np.array_equal(picture("image.png", "-f", "vertical", "--scale", "p99.5"), levels(exact * 255 / most))
    refused = cnncli("edge", "image.png", "--scale", "p101")
    assert refused.exit_code == 2
    assert "--scale must be soft, unit, none, auto, a percentile such as p99, or a number, got 'p101'" in refused.stderr


@pytest.mark.parametrize("signed", SIGNED)
def test_dark_lines_on_white(signed):
    save(".", GRAY)
    for options in ([], ["--scale", "auto"], ["--threshold", "20%"]):
        words = ("edge", "image.png", "-f", "vertical", "--signed", signed, *options)
        done(*words, "-o", "dark{filter}.png", "--force")
        done(*words, "--invert", "-o", "light{filter}.png", "--force")
        for path in [name for name in listing(".") if name.startswith("dark")]:
            dark, light = (np.asarray(loaded(name)) for name in (path, path.replace("dark", "light")))
            if signed != "diverging":
                assert np.array_equal(light, 255 - dark)
                continue
            assert (light[~dark.any(axis=2)] >= 254).all()
            # On paper, too, orange is positive and blue negative.
            orange, blue = dark[..., 0] > 0, (dark[..., 0] == 0) & (dark[..., 2] > 0)
            assert (light[orange][:, 0] >= light[orange][:, 2]).all()
            assert (light[blue][:, 2] >= light[blue][:, 0]).all()


@pytest.mark.parametrize("signed", SIGNED)
def test_what_becomes_of_negative_numbers(signed):
    step = np.array([[0, 0, 0, 255, 255, 255, 0, 0, 0]] * 5, np.uint8)
    save(".", step)
    done("edge", "image.png", "-f", "vertical", "--signed", signed, "-o", "{filter}.png")
    made = {path: np.asarray(loaded(path))[2].tolist() for path in listing(".") if path != "image.png"}
    rising, falling = slice(2, 4), slice(5, 7)  # dark to bright is negative
    if signed == "split":
        assert made["vertical-positive.png"] == [0, 0, 0, 0, 0, 255, 255, 0, 0]
        assert made["vertical-negative.png"] == [0, 0, 255, 255, 0, 0, 0, 0, 0]
        return
    row = made["vertical.png"]
    expected = {
        "abs": ([255] * 2, [255] * 2, 0),
        "clip": ([0] * 2, [255] * 2, 0),
        "offset": ([0] * 2, [255] * 2, 128),
        "diverging": ([[0, 115, 230]] * 2, [[230, 158, 0]] * 2, [0, 0, 0]),
    }[signed]
    assert (row[rising], row[falling], row[0]) == expected


@pytest.mark.parametrize(("threshold", "level"), [("64", 64), ("25%", 63.75), ("0", 0), ("100%", 255)])
def test_a_threshold_leaves_black_and_white(threshold, level):
    save(".", GRAY)
    exact = np.abs(response("image.png", "-f", "vertical")) / 3
    found = picture("image.png", "-f", "vertical", "--threshold", threshold)
    assert np.array_equal(found, np.where(exact >= level, 255, 0))


@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 3)])
def test_16_bits_in_16_bits_out(shape):
    pixels = random_image(shape, np.uint16)
    cv2.imwrite("deep.png", pixels[..., ::-1] if len(shape) == 3 else pixels)
    color = "each" if len(shape) == 3 else "gray"
    done("edge", "deep.png", "-f", "vertical", "--color", color, "-o", "out.png")
    found = cv2.imread("out.png", cv2.IMREAD_UNCHANGED)
    found = found[..., ::-1] if len(shape) == 3 else found
    channels = np.atleast_3d(pixels)
    exact = np.stack([correlated(channels[..., i], VERTICAL) for i in range(channels.shape[2])], -1).reshape(shape)
    assert found.dtype == np.uint16
    assert np.array_equal(found, softened(exact / 3, 65535))


# What files hold beside colours


def test_alpha_is_kept_unfiltered():
    alpha = random_image(RGB.shape[:2], seed=2) | 1
    save(".", np.dstack([RGB, alpha]), "clear.png")
    save(".", RGB, "opaque.png")
    found = picture("clear.png", "--color", "each")
    assert np.array_equal(found[..., 3], alpha)
    assert np.array_equal(found[..., :3], picture("opaque.png", "--color", "each"))
    gray = picture("clear.png")
    assert np.array_equal(gray[..., 1], alpha)
    assert np.array_equal(gray[..., 0], picture("opaque.png"))


def test_alpha_follows_the_windows():
    alpha = random_image((20, 20), seed=2) | 1
    save(".", np.dstack([RGB[:20, :20], alpha]), "clear.png")
    found = picture("clear.png", "-f", "vertical", "-p", "valid", "-s", 2)
    assert np.array_equal(found[..., 1], alpha[1:19:2, 1:19:2])


def test_colour_under_full_transparency_makes_no_edge():
    pixels = np.full((20, 20, 4), 200, np.uint8)
    pixels[5:15, 5:15] = random_image((10, 10, 4))
    pixels[5:15, 5:15, 3] = 0
    save(".", pixels, "clear.png")
    assert not picture("clear.png")[..., 0].any()
    assert not response("clear.png", "-f", "laplacian").any()


def test_vertical_is_as_the_viewer_sees_it():
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, shown upright
    save(".", GRAY, "stored.png", exif=exif)
    shown = np.rot90(GRAY, -1)
    assert np.array_equal(response("stored.png", "-f", "vertical"), correlated(shown, VERTICAL))
    done("edge", "stored.png", "-o", "out.png")
    assert loaded("out.png").getexif().get(0x0112, 1) == 1
    assert loaded("out.png").size == (GRAY.shape[0], GRAY.shape[1])


def test_a_profile_is_kept_while_it_is_true():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save(".", RGB, icc_profile=profile)
    done("edge", "image.png", "--color", "each", "-o", "colour.png")
    done("edge", "image.png", "-o", "gray.png")
    assert loaded("colour.png").info["icc_profile"] == profile
    assert "icc_profile" not in loaded("gray.png").info


def test_exif_is_kept_while_it_is_true():
    description, width = 0x010E, 0x0100
    exif = Image.Exif()
    exif[description], exif[width] = "a street", GRAY.shape[1]
    save(".", GRAY, exif=exif)
    done("edge", "image.png", "-o", "whole.png")
    done("edge", "image.png", "-s", 2, "-o", "half.png")
    assert dict(loaded("whole.png").getexif()) == {description: "a street", width: GRAY.shape[1]}
    assert dict(loaded("half.png").getexif()) == {description: "a street"}


def animation(frames, name="frames.gif"):
    first, *others = [Image.fromarray(frame) for frame in frames]
    durations = [40 * (index + 1) for index in range(len(frames))]
    first.save(name, save_all=True, append_images=others, duration=durations, loop=3, disposal=2)
    return durations


def test_gif_frames_are_filtered_each_by_itself():
    frames = [gray_photograph("camera")[y : y + 30, 200:240] for y in (0, 100, 300)]
    durations = animation(frames)
    done("edge", "frames.gif", "-f", "vertical", "-o", "out.gif")
    with Image.open("out.gif") as found:
        for index, frame in enumerate(frames):
            found.seek(index)
            assert found.info["duration"] == durations[index]
            assert np.array_equal(found.convert("L"), softened(correlated(frame, VERTICAL) / 3))
        assert (found.n_frames, found.info["loop"]) == (3, 3)


def tiff_pages(path):
    with tifffile.TiffFile(path) as file:
        return [page.asarray() for page in file.pages]


def test_pages_are_filtered_each_by_itself():
    pages = random_image((3, 20, 30), np.uint16)
    tifffile.imwrite("pages.tif", pages, photometric="minisblack")
    done("edge", "pages.tif", "-f", "vertical", "-o", "out.tif")
    found = tiff_pages("out.tif")
    expected = [softened(correlated(page, VERTICAL) / 3, 65535) for page in pages]
    assert np.array_equal(found, expected)


# Matrices

STEP = "\n".join(["10 10 10 0 0 0"] * 6)
QUARTERS = "\n".join(["10 10 10 0 0 0"] * 3 + ["0 0 0 10 10 10"] * 3)


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".json"])
def test_the_courses_first_answer(suffix, tmp_path):
    rows = [line.split() for line in STEP.splitlines()]
    text = json.dumps([[int(number) for number in row] for row in rows]) if suffix == ".json" else STEP
    text = text.replace(" ", ",") if suffix == ".csv" else text
    (tmp_path / f"matrix{suffix}").write_text(text)
    result = done("edge", f"matrix{suffix}", "-f", "vertical", "-p", "valid", "-o", "-")
    assert result.stdout == "0 30 30 0\n" * 4
    assert result.stderr == ""


def test_the_courses_second_answer_through_pipes():
    result = process("edge", "-", "-f", "horizontal", "-p", "valid", "-o", "-", stdin=QUARTERS.encode())
    rows = [line.split() for line in result.stdout.decode().splitlines()]
    expected = [[0] * 4, [30, 10, -10, -30], [30, 10, -10, -30], [0] * 4]
    assert [[int(number) for number in row] for row in rows] == expected
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_picture_through_pipes():
    save(".", GRAY)
    with open("image.png", "rb") as file:
        made = process("edge", "-", "-o", "-", "--format", "png", stdin=file.read()).stdout
    assert np.array_equal(cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_UNCHANGED), picture("image.png"))


# Outputs


def test_several_filters_give_several_files():
    save(".", GRAY)
    done("edge", "image.png", "-f", "box", "-f", "sobel", "-k", "1 0 -1")
    assert listing(".") == ["image-box.png", "image-kernel.png", "image-sobel.png", "image.png"]
    assert np.array_equal(loaded("image-box.png"), picture("image.png", "-f", "box"))


def test_several_filters_stack_in_one_file():
    save(".", GRAY)
    filters = ["vertical", "laplacian", "box"]
    words = ["image.png", *(word for name in filters for word in ("-f", name))]
    alone = [response("image.png", "-f", name) for name in filters]
    for name in ("stack.npy", "stack.npz", "pages.tif"):
        done("edge", *words, "-o", name)
    done("edge", *words, "-o", "exact.tif", "--format", "float-tiff")
    np.testing.assert_array_equal(np.load("stack.npy"), np.stack(alone, axis=-1))
    archive = dict(np.load("stack.npz"))
    assert list(archive) == filters
    for name, array, page, numbers in zip(
        filters, alone, tiff_pages("pages.tif"), tiff_pages("exact.tif"), strict=True
    ):
        assert np.array_equal(archive[name], array)
        assert np.array_equal(page, picture("image.png", "-f", name))
        assert numbers.dtype.kind == "f"
        assert np.array_equal(numbers, array)


@pytest.mark.parametrize("form", ["png", "tiff", "webp", "bmp", "pgm", "npy", "npz", "txt", "csv", "float-tiff"])
def test_format_says_what_is_written(form):
    save(".", GRAY)
    done("edge", "image.png", "-f", "vertical", "--format", form)
    exact = correlated(GRAY, VERTICAL)
    name = {"tiff": "tif", "float-tiff": "tif"}.get(form, form)
    path = f"image-vertical.{name}"
    if form == "npz":
        found = np.load(path)["image"]
    elif form in ("txt", "csv"):
        found = np.loadtxt(path, delimiter="," if form == "csv" else None)
    else:
        found = np.load(path) if form == "npy" else tifffile.imread(path) if name == "tif" else np.array(loaded(path))
    found = found[..., 0] if form == "webp" else found  # WebP has no grey
    numeric = form in ("npy", "npz", "txt", "csv", "float-tiff")
    assert np.array_equal(found, exact if numeric else softened(exact / 3))


def test_a_format_beats_the_suffix():
    save(".", GRAY)
    done("edge", "image.png", "--format", "png", "-o", "named.dat")
    assert loaded("named.dat").format == "PNG"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (None, "photos/image-sobel.png"),
        ("out.png", "out.png"),
        ("made/", "made/image-sobel.png"),
        ("there", "there/image-sobel.png"),
        ("{stem}.tif", "image.tif"),
        ("{parent}/{name}.{filter}.png", "photos/image.png.sobel.png"),
        ("there/{ext}.bmp", "there/png.bmp"),
        ("{{{stem}}}.png", "{image}.png"),
    ],
)
def test_where_outputs_go(tmp_path, output, expected):
    for folder in ("photos", "there"):
        (tmp_path / folder).mkdir()
    save("photos", GRAY)
    done("edge", "photos/image.png", *([] if output is None else ["-o", output]))
    assert [name for name in listing(".") if (tmp_path / name).is_file()] == sorted([expected, "photos/image.png"])


@pytest.mark.parametrize(
    "name", ["a b.png", "-dash.png", "ümlaut ☃.png", "{stem}.png", "100%.png", "line\nend.png", "[1].png"]
)
def test_names_of_any_kind(name):
    save(".", GRAY, name)
    done("edge", "--", name)
    assert listing(".") == sorted([name, name.replace(".png", "-sobel.png")])


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".json", ".npy"])
def test_a_kernel_from_a_file_gives_its_name(suffix, tmp_path):
    save(".", GRAY)
    text = "1 2 1\n0 0 0\n-1 -2 -1\n"
    (tmp_path / f"mine{suffix}").write_text(text.replace(" ", ",") if suffix == ".csv" else text)
    kernel = [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
    if suffix == ".json":
        (tmp_path / "mine.json").write_text(json.dumps(kernel))
    elif suffix == ".npy":
        np.save("mine.npy", kernel)
    assert np.array_equal(response("image.png", "-k", f"mine{suffix}"), correlated(GRAY, kernel))
    done("edge", "image.png", "-k", f"mine{suffix}")
    assert "image-mine.png" in listing(".")


def test_outputs_are_never_overwritten_unasked():
    save(".", GRAY)
    first = picture("image.png", "-f", "box")
    assert cnncli("edge", "image.png", "-f", "sobel", "-o", "picture.png").exit_code == 2
    assert np.array_equal(loaded("picture.png"), first)
    done("edge", "image.png", "-f", "sobel", "-o", "picture.png", "--force")
    assert not np.array_equal(loaded("picture.png"), first)


# What is said


def test_a_json_line_has_exactly_these_keys():
    save(".", GRAY)
    (line,) = json_lines(done("edge", "image.png", "-f", "vertical", "-s", 2, "--scale", "none", "--json"))
    exact = response("image.png", "-f", "vertical", "-s", 2)
    assert list(line) == KEYS
    assert (line["input"], line["output"]) == ("image.png", "image-vertical.png")
    assert (line["status"], line["error"], line["filter"]) == ("ok", None, "vertical")
    assert (line["input_shape"], line["output_shape"]) == (list(GRAY.shape), list(exact.shape))
    assert (line["min"], line["max"]) == (exact.min(), exact.max())
    assert line["clipped_fraction"] == pytest.approx((np.abs(exact) > 255.5).mean(), abs=1e-6)
    assert line["seconds"] >= 0


def test_dry_run_does_nothing():
    save(".", GRAY)
    result = done("edge", "image.png", "-f", "box", "-f", "sobel", "--dry-run")
    assert result.stdout == "image.png -> image-box.png\nimage.png -> image-sobel.png\n"
    lines = json_lines(done("edge", "image.png", "--dry-run", "--json"))
    assert [(line["input"], line["output"]) for line in lines] == [("image.png", "image-sobel.png")]
    assert listing(".") == ["image.png"]


def test_quiet_says_nothing():
    save(".", GRAY)
    assert done("edge", "image.png", "-q").output == ""
    assert cnncli("edge", "nowhere.png", "-q").stderr == "cnncli: nowhere.png: no such file\n"


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
def test_a_preview_without_a_terminal_has_no_colours(environment):
    step = np.repeat(np.array([[0] * 20 + [255] * 20], np.uint8), 20, axis=0)
    save(".", step)
    result = process("edge", "image.png", "--show", environment={"COLUMNS": "40"} | environment)
    text = result.stderr.decode()
    assert result.stdout == b""
    assert "\x1b" not in text
    shown = [line for line in text.splitlines() if "@" in line]
    assert shown == [" " * 19 + "@@" + " " * 19] * 10


@pytest.mark.parametrize("shape", [(1, 1), (2, 20000), (20000, 2), (300, 400), (300, 400, 3)])
@pytest.mark.parametrize("output", ["out.png", "out.npy"])
@pytest.mark.parametrize("filters", [["box"], ["box", "sobel"], list(WITH_KERNELS)])
def test_a_preview_fits_the_terminal(shape, output, filters, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "12")
    save(".", random_image(shape))
    words = [word for name in filters for word in ("-f", name)]
    color = ["--color", "each"] if len(shape) == 3 and len(filters) == 1 else []
    target = output if output == "out.npy" or len(filters) == 1 else "{filter}.png"
    lines = done("edge", "image.png", *words, *color, "--show", "-o", target).stderr.splitlines()
    shown = [line for line in lines if "->" not in line and not line.startswith("cnncli: ")]
    files = 1 if output == "out.npy" else len(filters)
    assert files <= len(shown) <= 11 * files
    assert max(map(len, shown)) <= 40


@pytest.mark.parametrize("extra", [[], ["-q"], ["--json"]])
def test_messages_are_no_data(extra):
    save(".", GRAY)
    result = done("edge", "image.png", *extra)
    assert [bool(result.stdout), bool(result.stderr)] == {(): [0, 1], ("-q",): [0, 0], ("--json",): [1, 0]}[
        tuple(extra)
    ]
