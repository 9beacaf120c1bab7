"""`--explain`: what it prints is right, and is what stands in the file."""

import re
from pathlib import Path

import numpy as np
import pytest
import skimage
from oracles import NUMPY_MODES, gray_photograph, photograph
from PIL import Image
from shell import cnncli, done, process, save

from cnncli.choices import PADDING_MODES, POOLING_MODES
from cnncli.filters.explaining.terms import OUTSIDE_WORDS
from cnncli.filters.named import FILTERS

GRAY = gray_photograph("camera")[100:120, 200:230]
RGB = np.array(photograph("astronaut")[20:40, 200:230])
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, GRAY, "gray.png")
    save(tmp_path, RGB, "colour.png")


class Explained:
    """An explanation, taken apart again."""

    def __init__(self, text):
        self.text = text
        blocks = [block.splitlines() for block in text.split("\n\n") if "   kernel" in block.partition("\n")[0]]
        self.titles = [block[0][: block[0].index("kernel")].strip() for block in blocks]
        self.terms = [_matrices(block[:-1]) for block in blocks]
        self.sums = [float(block[-1].rpartition(" = ")[2]) for block in blocks]
        self.additions = [block[-1].removeprefix("sum = ").rpartition(" = ")[0] for block in blocks]
        self.response = [float(word) for word in re.search(r"^response = (.*)$", text, re.MULTILINE)[1].split()]
        self.last = text.rstrip().splitlines()[-1]


def _matrices(block):
    """The window, the kernel and the products: each begins below its title."""
    starts = [0, block[0].index("kernel"), block[0].index("products")]
    places = [slice(start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]
    lines = [line for line in block[1:] if not line.startswith(OUTSIDE_WORDS)]
    return [np.array([[float(word.strip("()")) for word in line[place].split()] for line in lines]) for place in places]


def explained(x, y, *words, source="gray.png"):
    result = done("edge", source, *words, "-o", "out.npy", "--force", "--explain", f"{x},{y}")
    return Explained(result.stdout)


def test_the_window_the_kernel_and_the_products():
    found = explained(7, 5, "-f", "sobel", "-d", "vertical")
    ((window, kernel, products),) = found.terms
    assert np.array_equal(window, GRAY[4:7, 6:9])
    assert np.array_equal(kernel, SOBEL)
    assert np.array_equal(products, window * kernel)
    assert found.sums == found.response == [products.sum()] == [np.load("out.npy")[5, 7]]
    assert eval(found.additions[0]) == products.sum()
    assert "width:   n=30 f=3 p=1+1 s=1 d=1: floor((30 + 2 - 2 - 1) / 1) + 1 = 30" in found.text
    assert "height:  n=20 f=3 p=1+1 s=1 d=1: floor((20 + 2 - 2 - 1) / 1) + 1 = 20" in found.text


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("x", "y"), [(0, 0), (29, 19), (13, 11)])
@pytest.mark.parametrize("output", ["out.npy", "out.png"])
def test_every_filter_agrees_with_its_file(name, x, y, output):
    result = done("edge", "gray.png", "-f", name, "-o", output, "--explain", f"{x},{y}")
    found = Explained(result.stdout)
    exact = np.load("out.npy")[y, x] if output == "out.npy" else None
    assert found.last.endswith(f", as written to {output}")
    for (window, kernel, products), total in zip(found.terms, found.sums, strict=True):
        np.testing.assert_allclose(products, window * kernel, rtol=1e-4, atol=1e-4)
        assert products.sum() == pytest.approx(total, rel=1e-4, abs=1e-3)
    if exact is not None:
        assert found.response == pytest.approx(np.ravel(exact).tolist(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize(("x", "y"), [(0, 0), (29, 19), (0, 19)])
def test_what_stands_outside_the_image(mode, x, y):
    found = explained(x, y, "-f", "vertical", "--padding-mode", mode)
    padded = np.pad(GRAY, 1, NUMPY_MODES[mode])
    assert np.array_equal(found.terms[0][0], padded[y : y + 3, x : x + 3])
    assert found.last == f"value {np.load('out.npy')[y, x]}, as written to out.npy"


def test_stride_dilation_and_flip():
    found = explained(
        3, 2, "-k", "1 2 3; 4 5 6; 7 8 9", "--flip", "-s", "3,2", "--dilation", "2", "-p", "valid", "--bias", "4"
    )
    window, kernel, products = found.terms[0]
    assert np.array_equal(window, GRAY[6:11:2, 6:11:2])
    assert np.array_equal(kernel, [[9, 8, 7], [6, 5, 4], [3, 2, 1]])
    assert "turned" in found.text
    assert found.response == [products.sum() + 4] == [np.load("out.npy")[2, 3]]
    assert "floor((30 + 0 - 4 - 1) / 2) + 1 = 13" in found.text
    assert f"z = sum + bias = {products.sum():g} + 4 = {products.sum() + 4:g}" in found.text


@pytest.mark.parametrize("color", ["gray", "each", "volume"])
@pytest.mark.parametrize("direction", ["magnitude", "angle"])
def test_gradients_in_colour(color, direction):
    found = explained(9, 8, "-d", direction, "--color", color, source="colour.png")
    steps = re.findall(rf"^{direction}.* = (\S+)$", found.text, re.MULTILINE)
    exact = np.ravel(np.load("out.npy")[8, 9])
    assert [float(step) for step in steps] == pytest.approx(exact.tolist(), rel=1e-4)
    assert found.response == pytest.approx(exact.tolist(), rel=1e-4)
    sums = np.reshape(found.sums, (2, -1))
    if color == "volume":
        sums = sums.sum(axis=1, keepdims=True)
    combine = np.hypot if direction == "magnitude" else np.arctan2
    assert combine(sums[1], sums[0]).tolist() == pytest.approx(exact.tolist(), rel=1e-4)
    assert found.last.endswith(", as written to out.npy")


def test_a_gradients_formula_can_be_typed():
    found = explained(9, 8)
    formula = re.search(r"magnitude = sqrt\((.*)\) = ", found.text)[1]
    assert eval(formula.replace("^", "**")) ** 0.5 == pytest.approx(found.response[0], rel=1e-4)


def test_each_and_volume_name_their_channels():
    each = explained(9, 8, "-f", "vertical", "--color", "each", source="colour.png")
    assert each.titles == [f"window (channel {channel})" for channel in range(3)]
    assert each.response == each.sums == np.load("out.npy")[8, 9].tolist()
    for channel in range(3):
        assert np.array_equal(each.terms[channel][0], RGB[7:10, 8:11, channel])
    volume = explained(9, 8, "-f", "vertical", "--color", "volume", source="colour.png")
    assert volume.response == [sum(volume.sums)] == [np.load("out.npy")[8, 9]]
    assert "sum over the channels = " in volume.text
    one = explained(9, 8, "-f", "vertical", "--on", "green", source="colour.png")
    assert one.response == [each.sums[1]]


def test_z_stands_before_its_activation():
    found = explained(9, 8, "-f", "laplacian", "--activation", "sigmoid")
    z, activated = found.text.split("\n\n")[-1].splitlines()[:2]
    assert z == f"z = sum + bias = {found.sums[0]:g} + 0 = {found.sums[0]:g}"
    assert activated == f"sigmoid(z) = {found.response[0]:.6g}"
    assert found.response == [pytest.approx(1 / (1 + np.exp(-found.sums[0])), rel=1e-4)]


@pytest.mark.parametrize(
    "words", [[], ["--signed", "offset"], ["--signed", "diverging"], ["--scale", "auto"], ["--threshold", "20"]]
)
def test_the_pictures_level_is_told(words):
    text = done("edge", "gray.png", "-f", "vertical", *words, "-o", "out.png", "--explain", "9,8").stdout
    with Image.open("out.png") as image:
        level = ", ".join(map(str, np.ravel(np.asarray(image)[8, 9])))
    assert text.splitlines()[-1] == f"picture level {level}, as written to out.png"


def test_a_file_that_says_otherwise_is_told():
    step = np.zeros((16, 16), np.uint8)
    step[:, 8:] = 255
    save(".", step, "step.png")
    lines = [
        done(
            "edge", "step.png", "-f", "vertical", "-o", "out.jpg", "--force", "--explain", f"{x},8"
        ).stdout.splitlines()[-1]
        for x in range(4, 12)
    ]
    with Image.open("out.jpg") as image:
        row = np.asarray(image)[8].tolist()
    expected = [255 if x in (7, 8) else 0 for x in range(16)]
    assert row != expected  # JPEG is lossy at a step
    for x, line in zip(range(4, 12), lines, strict=True):
        agrees = "as written to" if row[x] == expected[x] else f"but the file has {row[x]}:"
        assert line == f"picture level {expected[x]}, {agrees} out.jpg"


def test_transparency_does_not_stand_in_the_way():
    save(".", np.dstack([RGB, np.full(RGB.shape[:2], 9, np.uint8)]), "clear.png")
    result = done("edge", "clear.png", "--explain", "3,3")
    assert result.stdout.splitlines()[-1].endswith(", as written to clear-sobel.png")


def test_data_and_explanation_do_not_mix():
    result = process("edge", "gray.png", "-f", "vertical", "-o", "-", "--format", "npy", "--explain", "9,8")
    assert result.stdout.startswith(b"\x93NUMPY")
    assert b"response = " in result.stderr
    as_json = done("edge", "gray.png", "--json", "--explain", "9,8")
    assert len(as_json.stdout.splitlines()) == 1
    assert "response = " in as_json.stderr


def test_a_dry_run_explains_and_writes_nothing(tmp_path):
    result = done("edge", "gray.png", "--dry-run", "--explain", "9,8")
    assert "response = " in result.stdout
    assert not (tmp_path / "gray-sobel.png").exists()


def test_the_corners_are_inside_and_what_follows_is_not():
    done("edge", "gray.png", "-p", "valid", "--explain", "27,17")
    result = cnncli("edge", "gray.png", "-p", "valid", "--explain", "28,17", "--force")
    assert result.exit_code == 2
    assert "output of 28x18: x goes from 0 to 27, y from 0 to 17" in result.stderr


def test_padding_is_marked_and_named():
    text = explained(0, 5, "-f", "vertical").text
    assert [line.split("   ")[0] for line in text.splitlines()].count(OUTSIDE_WORDS) == 1
    rows = [line.split("   ")[0] for line in text.splitlines() if line.startswith("(")][1:4]
    assert rows == [f"({row[1]}) {row[0]} {row[1]}" for row in GRAY[4:7]]
    assert OUTSIDE_WORDS not in explained(5, 5, "-f", "vertical").text


def test_a_rank_is_shown_by_its_order():
    text = explained(7, 5, "-f", "median").text
    window = np.sort(GRAY[4:7, 6:9], axis=None)
    assert f"in order: {' '.join(map(str, window))}\nmedian of 9 numbers\nresponse = {window[4]}\n" in text


def test_a_threshold_is_shown_with_its_number():
    level = skimage.filters.threshold_otsu(GRAY)
    number = int(GRAY[5, 7])
    color = "white" if number > level else "black"
    assert f"{number} is {color}: white above {level}\n" in explained(7, 5, "-f", "threshold:otsu").text
    color = "white" if number >= 102 else "black"
    assert f"{number} is {color}: white from 102\n" in explained(7, 5, "-f", "threshold:40%").text


def test_an_edge_of_canny_is_shown_by_its_gradient():
    expected = skimage.feature.canny(GRAY / 255, 1, 0.4, 0.8, mode="mirror")
    for y, x in np.argwhere(expected)[:5]:
        assert ": an edge\nresponse = 1" in explained(x, y, "-f", "canny", "--explain-all").text
    y, x = np.argwhere(~expected)[0]
    text = explained(x, y, "-f", "canny", "--explain-all").text
    assert [line for line in text.splitlines() if line.startswith("step ")] == [
        "step gaussian:1",
        "step ridges of the gradient",
        "step canny",
    ]
    assert "thresholds: low 102, high 204" in text


def test_every_step_of_a_chain_is_shown_where_the_next_one_looks():
    text = explained(3, 2, "-f", "box:3 median:3 sobel", "-s", "2", "--explain-all").text
    assert re.findall(r"^step (.*)\noutput position (.*)$", text, re.MULTILINE) == [
        ("box:3", "x=7, y=5"),
        ("median:3", "x=7, y=5"),
        ("sobel", "x=3, y=2"),
    ]
    assert text.count("response = ") == 3
    assert explained(3, 2, "-f", "box:3 median:3 sobel", "-s", "2").text.count("response = ") == 1


def test_a_window_too_large_to_read_is_summed():
    text = explained(3, 2, "-f", "box:17").text
    assert "window and kernel of 17x17, more than can be read\nsum of 289 products = " in text


def test_all_steps_need_a_position():
    result = cnncli("edge", "gray.png", "--explain-all")
    assert result.exit_code == 2
    assert "--explain-all needs a position: add --explain X,Y" in result.stderr


REDUCE = {"max": np.max, "avg": np.mean, "min": np.min}


@pytest.mark.parametrize("output", ["out.npy", "out.png", "out.tif"])
@pytest.mark.parametrize("mode", POOLING_MODES)
@pytest.mark.parametrize("source", ["gray.png", "colour.png"])
def test_pooling_shows_its_window(source, mode, output):
    result = done("pool", source, "-f", "3,2", "-s", "2", "--mode", mode, "-o", output, "--explain", "5,3")
    *blocks, end = result.stdout.split("\n\n")
    pixels = (GRAY if source == "gray.png" else RGB).reshape(20, 30, -1)
    assert len(blocks) == 2 + pixels.shape[2]
    for channel, block in enumerate(blocks[2:]):
        title, *rows, sentence = block.splitlines()
        window = pixels[6:9, 10:12, channel]
        assert title == ("window" if source == "gray.png" else f"window (channel {channel})")
        assert np.array_equal([[int(word) for word in row.split()] for row in rows], window)
        assert float(sentence.rpartition(" = ")[2]) == pytest.approx(REDUCE[mode](window), rel=1e-5)
    assert end.endswith(f", as written to {output}\n")


def test_pooling_past_the_image_is_marked_and_does_not_count():
    Path("small.txt").write_text("1 3 2; 2 9 1; 1 4 8")
    words = ("small.txt", "-f", "2", "-p", "1,0,1,0", "--ceil", "--mode", "avg", "-o", "out.npy", "--force")
    corner = done("pool", *words, "--explain", "0,0").stdout
    assert corner.count("(-): outside the image, not counted in the mean") == 1
    assert "window\n(-) (-)\n(-)   1\navg = (1) / 1 = 1\n" in corner
    last = done("pool", "small.txt", "-f", "2", "--ceil", "-o", "out.npy", "--force", "--explain", "1,0").stdout
    assert "window\n2 (-)\n1 (-)\nmax(2, 1) = 2\n" in last
    assert "width:   n=3 f=2 p=0+0 s=2 d=1: ceil((3 + 0 - 1 - 1) / 2) + 1 = 2" in last


def test_global_pooling_is_explained():
    text = done("pool", "gray.png", "--global", "--mode", "avg", "-o", "out.npy", "--explain", "0,0").stdout
    assert "window of 20x30, more than can be read\n" in text
    assert f"600 numbers: {GRAY.sum()} / 600 = {GRAY.mean():.6g}\n" in text


def test_a_json_line_of_pooling_stands_alone():
    result = done("pool", "gray.png", "--json", "--explain", "1,1")
    assert len(result.stdout.splitlines()) == 1
    assert "pooled = " in result.stderr


@pytest.mark.parametrize(
    ("position", "words", "message"),
    [
        ("15,0", (), "output of 15x10: x goes from 0 to 14, y from 0 to 9"),
        ("1", (), "--explain takes a position X,Y, got '1'"),
        ("0,0", ("colour.png",), "--explain takes one input, got 2"),
    ],
)
def test_pooling_refuses_other_positions(position, words, message):
    result = cnncli("pool", "gray.png", *words, "--explain", position)
    assert result.exit_code == 2
    assert message in result.stderr
