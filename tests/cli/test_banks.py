"""`edge -k bank.npy`: each filter of a bank has an output."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from oracles import photograph
from shell import cnncli, done, json_lines, listing, save

from cnncli.filters import bands
from cnncli.ops import conv2d

RGB = np.array(photograph("astronaut")[20:61, 200:253])
GRAY = RGB[..., 1]
BANK = np.random.default_rng(0).integers(-3, 4, (3, 5, 3, 4))
FLAT = BANK[:, :, :1]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, RGB, "colour.png")
    save(tmp_path, GRAY, "gray.png")
    np.save("bank.npy", BANK)
    np.save("flat.npy", FLAT)


def stacked(*words, output="out.npy"):
    done("edge", *words, "-o", output, "--force")
    return np.load(output)


@pytest.mark.parametrize("words", [{}, {"stride": 2}, {"dilation": 2}, {"padding": (2, 1)}])
@pytest.mark.parametrize(("source", "name", "bank"), [("colour.png", "bank.npy", BANK), ("gray.png", "flat.npy", FLAT)])
def test_a_bank_is_a_layer_of_pytorch(source, name, bank, words):
    torch = pytest.importorskip("torch")
    options = {"padding": 0} | words
    pixels = RGB if source == "colour.png" else GRAY[..., None]
    expected = torch.nn.functional.conv2d(
        torch.tensor(pixels.transpose(2, 0, 1)[None].astype(np.float64)),
        torch.tensor(bank.transpose(3, 2, 0, 1).astype(np.float64)),
        **options,
    )[0].numpy()
    given = {"padding": "0", "padding-mode": "zeros"} | {
        key: ",".join(map(str, np.ravel(value))) for key, value in words.items()
    }
    found = stacked(source, "-k", name, *(word for key, value in given.items() for word in (f"--{key}", value)))
    assert found.dtype.kind == "i"
    assert np.array_equal(found, expected.transpose(1, 2, 0))


def test_the_whole_bank_is_one_convolution():
    assert np.array_equal(
        stacked("colour.png", "-k", "bank.npy", "--padding-mode", "replicate"),
        conv2d(RGB, BANK, padding="same", padding_mode="replicate"),
    )


def test_bands_and_threads_give_the_same_bits(monkeypatch):
    np.save("real.npy", np.random.default_rng(1).normal(size=(5, 3, 3, 3)))
    at_once = stacked("colour.png", "-k", "real.npy")
    monkeypatch.setattr(bands, "BAND_PIXELS", 300)
    for threads in (1, 3):
        monkeypatch.setattr(bands, "cores", lambda threads=threads: threads)
        assert stacked("colour.png", "-k", "real.npy").tobytes() == at_once.tobytes()


def test_several_frames_hold_a_bank():
    done("edge", "colour.png", "-k", "bank.npy", "-o", "out.npz")
    done("edge", "colour.png", "-k", "bank.npy", "-o", "out.tif", "--format", "float-tiff")
    whole, pages = stacked("colour.png", "-k", "bank.npy"), tifffile.imread("out.tif")
    with np.load("out.npz") as archive:
        assert archive.files == [f"bank-{number}" for number in range(4)]
        for number in range(4):
            assert np.array_equal(archive[f"bank-{number}"], whole[..., number])
            assert np.array_equal(pages[number], whole[..., number])


def test_a_picture_for_each_filter():
    lines = json_lines(done("edge", "colour.png", "gray.png", "-k", "flat.npy", "-o", "out/", "--json"))
    names = [f"{stem}-flat-{number}.png" for stem in ("colour", "gray") for number in range(4)]
    assert listing("out") == sorted(names)
    assert sorted(line["output"] for line in lines) == sorted(f"out/{name}" for name in names)
    assert {line["filter"] for line in lines} == {f"flat-{number}" for number in range(4)}


def test_numbers_of_a_large_bank_sort():
    np.save("many.npy", np.ones((1, 1, 1, 11)))
    done("edge", "gray.png", "-k", "many.npy", "-o", "out/")
    assert listing("out") == [f"gray-many-{number:02}.png" for number in range(11)]


def test_one_filter_of_a_bank():
    whole = stacked("colour.png", "-k", "bank.npy")
    assert np.array_equal(stacked("colour.png", "-k", "bank.npy[2]"), whole[..., 2])
    text = done("edge", "colour.png", "-k", "bank.npy[2]", "-o", "one.npy", "--explain", "7,5").stdout
    addition, _, total = text.partition("sum over the channels = ")[2].partition("\n")[0].partition(" = ")
    assert eval(addition) == int(total) == whole[5, 7, 2]
    assert text.endswith(f"value {whole[5, 7, 2]}, as written to one.npy\n")
    assert np.array_equal(np.loadtxt(done("filters", "-k", "flat.npy[1]").stdout.splitlines()), FLAT[:, :, 0, 1])


def test_a_filter_of_a_bank_is_animated():
    np.save("volume.npy", np.arange(75).reshape(5, 5, 3))
    done("animate", "edge", "volume.npy", "-k", "bank.npy[1]", "-p", "0", "-o", "shown.svg")
    done("animate", "edge", "volume.npy", "-k", "bank.npy[1]", "-p", "0", "-o", "same.svg", "--color", "volume")
    assert Path("shown.svg").read_bytes() == Path("same.svg").read_bytes()
    refused = cnncli("animate", "edge", "volume.npy", "-k", "bank.npy", "-o", "many.svg")
    assert "an animation shows one filter" in refused.stderr


def test_a_kernel_with_channels_covers_them_unasked():
    np.save("volume.npy", BANK[..., 0])
    found = stacked("colour.png", "-k", "volume.npy")
    assert np.array_equal(found, stacked("colour.png", "-k", "volume.npy", "--color", "volume"))
    assert np.array_equal(found, stacked("colour.png", "-k", "bank.npy")[..., 0])
    done("edge", "colour.png", "-k", "volume.npy", "-o", "picture.png")
    done("edge", "colour.png", "-k", "volume.npy", "--color", "volume", "-o", "same.png")
    assert Path("picture.png").read_bytes() == Path("same.png").read_bytes()


def test_a_chain_goes_through_each_filter():
    found = stacked("colour.png", "-f", "box:3 kernel", "-k", "bank.npy")
    blurred = stacked("colour.png", "-f", "box:3", "--color", "each")
    expected = conv2d(blurred, BANK.astype(np.float32), padding="same", padding_mode="reflect")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)
    done("edge", "colour.png", "-f", "box:3 kernel", "-k", "bank.npy", "-o", "out/")
    assert listing("out") == [f"colour-box3-bank-{number}.png" for number in range(4)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gray.png", "-k", "bank.npy"], "the kernel covers 3 channels, the image has 1: use an image of 3 channels"),
        (
            ["colour.png", "-k", "bank.npy", "--color", "gray"],
            "covers a volume: use it with color 'volume', its default",
        ),
        (["colour.png", "-k", "bank.npy[4]"], "bank.npy is a bank of 4 filters, from 0 to 3: there is no filter 4"),
        (["colour.png", "-k", "none.npy[4]"], "kernel none.npy: no such file"),
        (["colour.png", "-k", "bank.npy", "--explain", "0,0"], "--explain takes one filter, got 4"),
        (["colour.png", "-k", "bank.npy", "-d", "vertical"], "direction 'vertical' needs a filter that has directions"),
        (["colour.png", "-k", "bank.npy", "-o", "one.png"], "one.png holds one of 4 outputs"),
    ],
)
def test_what_does_not_fit_a_bank(words, message):
    result = cnncli("edge", *words)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert len(result.stderr.splitlines()) <= 5


def test_an_error_names_a_few_filters_of_a_large_bank():
    np.save("large.npy", np.ones((1, 1, 3, 500)))
    message = cnncli("edge", "colour.png", "-k", "large.npy", "-o", "one.png").stderr
    assert "one.png holds one of 500 outputs (large-000, large-001, " in message
    assert ", large-007 and 492 more): put {filter} into the name" in message


def test_a_kernel_that_is_not_a_bank_has_no_filters():
    np.save("kernel.npy", np.ones((3, 3)))
    result = cnncli("edge", "gray.png", "-k", "kernel.npy[0]")
    assert "kernel.npy is not a bank of filters (f_h, f_w, C, n), of which one can be chosen" in result.stderr
    assert (
        "flat.npy is a bank of 4 filters: choose one, flat.npy[0] to flat.npy[3]"
        in cnncli("filters", "-k", "flat.npy").stderr
    )
