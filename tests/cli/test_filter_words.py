"""Filter words and chains at the command line: what is refused, what outputs are called, and every kind of picture."""

import io
import re
from shlex import split

import cv2
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from oracles import photograph, random_image
from PIL import Image
from shell import cnncli, done, json_lines, listing, process, save

from cnncli import FILTERS, filter_image

USAGE = 2

# (options, the argument that is wrong, what is allowed)
MALFORMED = [
    ("-f gaussian:", "SIGMA", "a number from"),
    ("-f gaussian:x", "SIGMA", "a number from"),
    ("-f gaussian:0", "SIGMA", "a number from"),
    ("-f gaussian:-1", "SIGMA", "a number from"),
    ("-f gaussian:1e9", "SIGMA", "a number from"),
    ("-f gaussian:nan", "SIGMA", "a number from"),
    ("-f gaussian:inf", "SIGMA", "a number from"),
    ("-f gaussian:2%", "SIGMA", "a number from"),
    ("-f gaussian:1,2", "gaussian:1,2", "takes SIGMA"),
    ("-f gaussian:2:3", "SIGMA", "a number from"),
    ("-f gradient:sobel", "SIGMA", "a number from"),
    ("-f log:-0.5", "SIGMA", "a number from"),
    ("-f box:0", "N", "an integer from 1"),
    ("-f box:-3", "N", "an integer from 1"),
    ("-f box:3x", "N", "an integer from 1"),
    ("-f box:x3", "N", "an integer from 1"),
    ("-f box:3x4x5", "N", "an integer from 1"),
    ("-f box:2.5", "N", "an integer from 1"),
    ("-f box:3,3", "box:3,3", "takes N"),
    ("-f box:1e9", "N", "an integer from 1"),
    ("-f median:0", "N", "an integer from 1"),
    ("-f median:big", "N", "an integer from 1"),
    ("-f min:3.5", "N", "an integer from 1"),
    ("-f max:", "N", "an integer from 1"),
    ("-f dog:2,1", "S1", "smaller than S2"),
    ("-f dog:1,1", "S1", "smaller than S2"),
    ("-f dog:1,2,3", "dog:1,2,3", "takes S1,S2"),
    ("-f gabor:0,0", "WAVELENGTH", "a number from 2"),
    ("-f gabor:4,north", "DEGREES", "a number from"),
    ("-f gabor:4,0,-1", "SIGMA", "a number from"),
    ("-f gabor:4,0,1,1", "gabor:4,0,1,1", "takes WAVELENGTH,DEGREES"),
    ("-f motion:0,0", "LENGTH", "a number from 1"),
    ("-f motion:5,nan", "DEGREES", "a number from"),
    ("-f unsharp:2,much", "AMOUNT", "a number from"),
    ("-f unsharp:2,-1", "AMOUNT", "a number from 0"),
    ("-f canny:1,30%,10%", "LOW", "not be above HIGH"),
    ("-f canny:1,10,20%", "LOW and HIGH", "two numbers or two percentages"),
    ("-f canny:1,-5%,20%", "LOW", "a percentage of a full step"),
    ("-f canny:1,10%,200%", "HIGH", "a percentage of a full step"),
    ("-f canny:1,%,20%", "LOW", "a percentage of a full step"),
    ("-f canny:1,,20%", "LOW", "a percentage of a full step"),
    ("-f canny:-1", "SIGMA", "a number from 0"),
    ("-f canny:1,2,3,4", "canny:1,2,3,4", "takes SIGMA,LOW,HIGH"),
    ("-f threshold:otsuu", "T", "or otsu"),
    ("-f threshold:", "T", "or otsu"),
    ("-f threshold:nan", "T", "or otsu"),
    ("-f threshold:200%", "T", "a percentage of a full step"),
    ("-f threshold:1,2", "threshold:1,2", "takes T"),
    ("-f 'threshold sobel'", "threshold", "last"),
    ("-f 'threshold:otsu threshold:1'", "threshold:otsu", "last"),
    ("-f sobel:3", "sobel:3", "takes no arguments"),
    ("-f sobel:", "sobel:", "takes no arguments"),
    ("-f vertical:1,2", "vertical:1,2", "takes no arguments"),
    ("-f :2", "':2'", "sobel"),
    ("-f :", "':'", "sobel"),
    ("-f 'gaussian :2'", "':2'", "sobel"),
    ("-f 'gaussian: 2'", "SIGMA", "a number from"),
    ("-f kernel", "kernel", "--kernel"),
    ("-f 'gaussian:1 kernel'", "kernel", "--kernel"),
    ("-f ''", "''", "words in a row"),
    ("-f '  '", "'  '", "words in a row"),
    ("-f sobel,laplacian", "sobel,laplacian", "'sobel laplacian'"),
    ("-f gausian:2", "gausian", "did you mean gaussian"),
    ("-f 'gaussian:2 sobell'", "sobell", "did you mean sobel"),
    ("-f Sobel", "Sobel", "did you mean sobel"),
    ("-f 'sobel|laplacian'", "sobel|laplacian", "'sobel laplacian'"),
    ("-f 'gaussian:2 sobel' -f 'gaussian:2 sobel'", "gaussian2-sobel", "named twice"),
    ("-f 'gaussian:2 sobel' -f 'gaussian:2.0 sobel'", "gaussian2-sobel", "named twice"),
    ("-f 'sobel gaussian:2' -d vertical", "vertical", "filter that has directions"),
    ("-f median:3 --dilation 2", "dilation", "median:3"),
    ("-f canny --stride 2", "stride", "canny"),
    ("-f 'sobel median:3' --color volume", "volume", "median:3"),
]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("line", "wrong", "allowed"), MALFORMED, ids=[line for line, _, _ in MALFORMED])
def test_a_malformed_word_is_one_line_that_says_what_is_wrong_and_what_is_allowed(line, wrong, allowed):
    save(".", photograph("camera")[:32, :32])
    result = cnncli("edge", "image.png", *split(line))
    assert (result.exit_code, result.stdout) == (USAGE, ""), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("cnncli: ")
    assert result.stderr.count("\n") == 1
    assert wrong in result.stderr
    assert allowed in result.stderr
    assert listing(".") == ["image.png"]


@pytest.mark.parametrize("name", FILTERS)
def test_too_many_arguments_and_nonsense_are_refused_for_every_word(name):
    save(".", photograph("camera")[:32, :32])
    many = ",".join("3" * (len(FILTERS[name].arguments) + 1))
    for text in ("", "nonsense", "nan", "1e999", many):
        result = cnncli("edge", "image.png", "-f", f"{name}:{text}")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (USAGE, "", 1), result.output
        assert name in result.stderr
    assert listing(".") == ["image.png"]


def test_what_looks_odd_and_is_meant():
    save(".", photograph("camera")[:32, :32])
    for number, chain in enumerate((" gaussian:2  sobel ", "gaussian:+2", "box:3.0", "threshold:-1", "canny:0,0,0")):
        done("edge", "image.png", "-f", chain, "-o", f"{number}.png")
    assert len(listing(".")) == 6


# Names of outputs.

sides = st.integers(1, 40)
sigmas = st.one_of(st.sampled_from([0.1, 0.5, 1, 1.4, 2, 14, 20]), st.floats(0.05, 300))
degrees = st.one_of(st.integers(-360, 360), st.floats(-360, 360).map(lambda angle: angle + 0.0))
ARGUMENTS = {
    "gaussian": st.tuples(sigmas),
    "box": st.tuples(st.tuples(sides, sides)),
    "gradient": st.tuples(sigmas),
    "log": st.tuples(sigmas),
    "dog": st.tuples(st.floats(0.1, 3), st.floats(3.5, 20)),
    "gabor": st.one_of(st.tuples(st.floats(2, 9), degrees), st.tuples(st.integers(2, 9), degrees, sigmas)),
    "motion": st.tuples(sides, degrees),
    "unsharp": st.tuples(sigmas, st.floats(0, 9)),
    "median": st.tuples(st.tuples(sides, sides)),
    "min": st.tuples(st.tuples(sides, sides)),
    "max": st.tuples(st.tuples(sides, sides)),
    "canny": st.tuples(sigmas, st.floats(0, 10), st.floats(10, 99)),
}
LEVELS = st.one_of(
    st.just("otsu"), st.integers(-300, 300), st.floats(-1e30, 1e30), st.integers(0, 100).map("{}%".format)
)


def written(name, values, percent=""):
    """A word as a user writes it."""
    texts = ("x".join(map(str, value)) if isinstance(value, tuple) else f"{value}{percent}" for value in values)
    return f"{name}:{','.join(texts)}" if values else name


@st.composite
def words(draw):
    """A word, and what makes it another word."""
    name = draw(st.sampled_from([*FILTERS.keys() - {"threshold"}]))
    bare = name not in ARGUMENTS or draw(st.booleans())
    values = () if bare else draw(ARGUMENTS[name])
    if name == "canny" and values and draw(st.booleans()):
        return written(name, values[:1]) + "," + written("", values[1:], "%")[1:], (name, values, "%")
    return written(name, values), (name, values)


@st.composite
def chains(draw):
    """A chain, and what makes it another chain."""
    steps = draw(st.lists(words(), min_size=1, max_size=3))
    if draw(st.booleans()):
        level = draw(LEVELS)
        steps.append((f"threshold:{level}", ("threshold", level)))
    return " ".join(word for word, _ in steps), tuple(key for _, key in steps)


def planned(*filters):
    """The names of the outputs for some filters."""
    options = [text for chain in filters for text in ("-f", chain)]
    return [line["output"] for line in json_lines(done("edge", "image.png", *options, "--dry-run", "--json"))]


@settings(max_examples=10, phases=[Phase.explicit, Phase.generate])  # to shrink 60 chains takes minutes
@given(st.lists(chains(), min_size=30, max_size=60, unique_by=lambda chain: chain[1]))
def test_two_chains_never_share_a_name_and_names_are_safe_everywhere(drawn):
    if not listing("."):
        save(".", photograph("camera")[:8, :8])
    names = planned(*(chain for chain, _ in drawn))
    assert len({name.lower() for name in names}) == len(drawn)
    for name in names:
        assert re.fullmatch(r"image-[A-Za-z0-9.-]+\.png", name)


def test_names_are_readable():
    save(".", photograph("camera")[:8, :8])
    expected = {
        "gaussian:2 sobel": "image-gaussian2-sobel.png",
        "gaussian:1.4 sobel": "image-gaussian1.4-sobel.png",
        "box:3x5": "image-box3x5.png",
        "canny": "image-canny.png",
        "threshold:otsu": "image-thresholdotsu.png",
    }
    assert planned(*expected) == list(expected.values())


def test_a_long_chain_is_one_line_or_a_file():
    save(".", photograph("camera")[:32, :32])
    result = cnncli("edge", "image.png", "-f", " ".join(["gaussian:1.25"] * 40))
    assert result.exit_code == 0 or result.stderr.count("\n") == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    done("edge", "image.png", "-f", " ".join(["box:1"] * 40), "-o", "long.png")


# Pictures of every kind.

SAMPLE = (
    "gaussian:2",
    "box:4x5",
    "gradient:1.4",
    "log:2",
    "dog:1,2",
    "gabor:4,30",
    "motion:5,45",
    "unsharp:2,1",
    "median:3",
    "min:2",
    "max:5",
    "canny:1,5%,10%",
    "threshold:otsu",
    "gaussian:1.4 sobel",
    "median:5 scharr threshold:25%",
)
RGB = np.ascontiguousarray(photograph("astronaut")[20:70, 200:260])
GRAY = np.ascontiguousarray(photograph("camera")[100:150, 200:260])


def numbers(chain, path, *options):
    """The response that the command writes."""
    done("edge", path, "-f", chain, "-o", "response.npy", "--force", *options)
    return np.load("response.npy")


def picture(chain, path, *options, suffix=".png"):
    done("edge", path, "-f", chain, "-o", f"made{suffix}", "--force", *options)
    return cv2.imread(f"made{suffix}", cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("chain", SAMPLE)
def test_a_file_gives_what_its_array_gives(chain):
    deep = {"gray": random_image((40, 30), np.uint16), "each": random_image((40, 30, 3), np.uint16)}
    for color, pixels in (
        ("gray", GRAY),
        ("each", GRAY),
        ("each", RGB),
        ("gray", deep["gray"]),
        ("each", deep["each"]),
    ):
        cv2.imwrite("image.png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)
        expected = filter_image(pixels, chain, color=color)
        np.testing.assert_array_equal(numbers(chain, "image.png", "--color", color), expected, strict=True)
    np.save("floats.npy", GRAY / 255)
    np.testing.assert_array_equal(numbers(chain, "floats.npy"), filter_image(GRAY / 255, chain), strict=True)


def test_a_kernel_of_ones_own_is_a_word():
    save(".", GRAY)
    kernel = [[1, 2, 0], [0, 0, -1.5], [-1, 0, 0]]
    np.savetxt("my kernel.txt", kernel)
    blurred = filter_image(GRAY, "gaussian:1.4")
    for typed in ("1 2 0; 0 0 -1.5; -1 0 0", "my kernel.txt"):
        found = numbers("gaussian:1.4 kernel", "image.png", "-k", typed)
        np.testing.assert_array_equal(found, filter_image(blurred, kernel), strict=True)
    done("edge", "image.png", "-f", "gaussian:1.4 kernel median:3", "-k", "my kernel.txt", "-o", "inner.npy")
    np.testing.assert_array_equal(
        np.load("inner.npy"), filter_image(filter_image(blurred, kernel), "median:3"), strict=True
    )
    lines = json_lines(done("edge", "image.png", "-f", "sobel kernel", "-k", "my kernel.txt", "--dry-run", "--json"))
    assert re.fullmatch(r"image-sobel-[A-Za-z0-9.-]+\.png", lines[0]["output"])


@pytest.mark.parametrize("chain", SAMPLE)
def test_16_bits_stay_16_bits(chain):
    deep = GRAY.astype(np.uint16) * 257
    cv2.imwrite("deep.png", deep)
    save(".", GRAY)
    found, shallow = picture(chain, "deep.png"), picture(chain, "image.png")
    assert (found.dtype, shallow.dtype) == (np.uint16, np.uint8)
    if found.ndim == shallow.ndim == 2:
        assert np.abs(found / 257 - shallow).max() <= 0.51 + 1e-3 * 255


@pytest.mark.parametrize("chain", SAMPLE)
def test_alpha_is_kept_and_what_it_hides_makes_no_edge(chain):
    alpha = random_image(RGB.shape[:2], seed=2) | 1
    save(".", np.dstack([RGB, alpha]), "clear.png")
    save(".", RGB, "opaque.png")
    found, opaque = picture(chain, "clear.png", "--color", "each"), picture(chain, "opaque.png", "--color", "each")
    assert np.array_equal(found[..., 3], alpha)
    assert np.array_equal(found[..., :3], opaque)
    flat = np.full((20, 20, 4), 200, np.uint8)
    flat[5:15, 5:15] = random_image((10, 10, 4))
    flat[5:15, 5:15, 3] = 0
    save(".", flat, "hidden.png")
    response = numbers(chain, "hidden.png")
    assert np.ptp(response) <= 1e-5 * 255  # rounding of a blur in float32


@pytest.mark.parametrize("chain", SAMPLE)
def test_every_frame_is_filtered_by_itself(chain):
    frames = [np.ascontiguousarray(photograph("camera")[y : y + 30, 200:240]) for y in (0, 100, 300)]
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save("frames.gif", save_all=True, append_images=others, duration=40)
    done("edge", "frames.gif", "-f", chain, "--color", "gray", "-o", "out.gif")
    with Image.open("out.gif") as found:
        assert found.n_frames == len(frames)
        for index, frame in enumerate(frames):
            found.seek(index)
            save(".", frame)
            assert np.array_equal(np.asarray(found.convert("L")), picture(chain, "image.png", "--color", "gray"))


@pytest.mark.parametrize("chain", SAMPLE)
def test_a_pipe_gives_what_files_give(chain):
    save(".", RGB)
    expected = picture(chain, "image.png")
    with open("image.png", "rb") as file:
        made = process("edge", "-", "-f", chain, "-o", "-", "--format", "png", stdin=file.read())
    assert (made.returncode, made.stderr) == (0, b"")
    found = cv2.imdecode(np.frombuffer(made.stdout, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("chain", SAMPLE)
def test_a_matrix_through_a_pipe(chain):
    matrix = random_image((6, 7)).astype(int)
    text = "\n".join(" ".join(map(str, row)) for row in matrix.tolist())
    made = process("edge", "-", "-f", chain, "-p", "same", "--padding-mode", "reflect", "-o", "-", stdin=text.encode())
    assert made.returncode == 0, made.stderr
    found = np.loadtxt(io.BytesIO(made.stdout), ndmin=2)
    np.testing.assert_allclose(found, filter_image(matrix, chain), rtol=1e-6, atol=1e-9)
