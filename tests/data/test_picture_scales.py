"""One scale of pixels for every reader: what a network learnt from one kind of file it knows in all others."""

import gzip
from itertools import product

import numpy as np
import pytest
from PIL import Image

from cnncli.data import BYTES, Reading, open_dataset, read_picture
from cnncli.data.pictures import RAW, find_factor
from cnncli.errors import CnncliError, DataError
from cnncli.models.judging.evaluation import evaluate
from cnncli.models.model import save_model
from cnncli.models.opening import load_model
from cnncli.models.prediction import predict_files
from cnncli.training.runs import train

SIDE, COUNT = 8, 24
RNG = np.random.default_rng(5)
LABELS = np.arange(COUNT) % 2
# Only their brightness tells the classes apart; no picture is all dark.
BYTE_PICTURES = np.clip(RNG.integers(30, 90, (COUNT, SIDE, SIDE)) + 120 * LABELS[:, None, None], 0, 255).astype(
    np.uint8
)

NUMBERS = {
    "bytes": lambda x: x,
    "fractions": lambda x: (x / 255).astype(np.float32),
    "double fractions": lambda x: x / 255,
    "half fractions": lambda x: (x / 255).astype(np.float16),
    "interpolated fractions": lambda x: (x / 255 * 1.06 - 0.01).astype(np.float32),
    "floats to 255": lambda x: x.astype(np.float32),
    "16 bits": lambda x: x.astype(np.uint16) * 257,
    "wide bytes": lambda x: x.astype(np.int64),
    "bytes in 16 bits": lambda x: x.astype(np.uint16),
    "wide 16 bits": lambda x: x.astype(np.int32) * 257,
}
DATA = [*product(["npz", "npy", "tif"], NUMBERS), ("png", "bytes"), ("png", "16 bits"), ("idx", "bytes")]
DATA += [("idx", "floats to 255"), ("idx", "fractions"), ("cifar", "bytes"), ("pgm", "bytes")]
# A picture file's 16 bits mean 65,535, and Pillow writes no others; TIFF of doubles and halves needs another writer.
DATA = [entry for entry in DATA if entry[0] != "tif" or entry[1] in ("bytes", "16 bits", "fractions", "floats to 255")]


def write_idx(path, array):
    code = {"uint8": 8, "float32": 13, "int64": 12}[str(array.dtype)]
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.astype(array.dtype.newbyteorder(">")).tobytes()))


def write(folder, kind, numbers):
    """Write the pictures, and return the data set and the files that can be predicted."""
    folder.mkdir(parents=True)
    pixels = NUMBERS[numbers](BYTE_PICTURES)
    if kind == "npz":
        np.savez(folder / "data.npz", x=pixels, y=LABELS)
        return folder / "data.npz", []
    if kind == "idx":
        write_idx(folder / "train-images-idx3-ubyte.gz", pixels)
        write_idx(folder / "train-labels-idx1-ubyte.gz", LABELS.astype(np.uint8))
        return folder, []
    if kind == "cifar":
        whole = np.repeat(np.repeat(pixels, 4, axis=1), 4, axis=2)[:, None].repeat(3, axis=1)
        rows = np.concatenate([LABELS[:, None].astype(np.uint8), whole.reshape(COUNT, -1)], axis=1)
        (folder / "data_batch_1.bin").write_bytes(rows.tobytes())
        (folder / "batches.meta.txt").write_text("0\n1\n")
        return folder, []
    files = []
    for number, picture in enumerate(pixels):
        path = folder / str(LABELS[number]) / f"{number:02}.{kind}"
        path.parent.mkdir(exist_ok=True)
        np.save(path, picture) if kind == "npy" else Image.fromarray(picture).save(path)
        files.append(str(path))
    return folder, files


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("scales")
    return {entry: write(place / "-".join(entry), *entry) for entry in DATA}


QUICK = [("npz", "bytes"), ("npz", "fractions"), ("npy", "16 bits"), ("idx", "floats to 255"), ("png", "bytes")]
SLOW = [pytest.param(entry, marks=pytest.mark.slow) for entry in DATA if entry not in QUICK]


@pytest.mark.parametrize("entry", [*QUICK, *SLOW], ids="-".join)
def test_what_is_learnt_from_one_is_known_in_all(written, tmp_path, entry):
    data, _ = written[entry]
    options = {"network": "gap fc-2,softmax", "epochs": 30, "lr": 0.1, "val": 0, "size": 8, "channels": 1, "jobs": 1}
    trained = train(data, **options).model
    assert trained.scale == BYTES
    save_model(tmp_path / "model.safetensors", trained)
    model = load_model(tmp_path / "model.safetensors")
    for other, (there, files) in written.items():
        assert evaluate(model, there).scores.accuracy == 1, (entry, other)
        for prediction in predict_files(model, files[:2] + files[-2:]):
            label = prediction.input.replace("\\", "/").split("/")[-2]
            assert prediction.error is None
            assert prediction.top()[0][0] == label, (entry, prediction.input)


@pytest.mark.parametrize("entry", [entry for entry in DATA if entry[0] in ("npy", "png", "tif")], ids="-".join)
def test_files_are_read_on_the_scale_of_bytes(written, entry):
    for path, expected in zip(written[entry][1][:3], BYTE_PICTURES[::2], strict=False):
        found = read_picture(path)
        assert found.dtype in (np.uint8, np.float32)
        slack = 20 if "interpolated" in entry[1] else 0.2
        number = int(path.split("/")[-1][:2])
        assert np.abs(found[..., 0] - BYTE_PICTURES[number].astype(float)).max() <= slack, expected


class TestNoScale:
    """Numbers such as those of pictures that somebody has normalised."""

    signed = ((BYTE_PICTURES - 127.5) / 127.5).astype(np.float32)

    @pytest.fixture(params=["npz", "npy"])
    def model(self, request, tmp_path):
        if request.param == "npz":
            np.savez(tmp_path / "data.npz", x=self.signed, y=LABELS)
            data = tmp_path / "data.npz"
        else:
            data = tmp_path / "data"
            for number, picture in enumerate(self.signed):
                (data / str(LABELS[number])).mkdir(parents=True, exist_ok=True)
                np.save(data / str(LABELS[number]) / f"{number}.npy", picture)
        run = train(data, network="gap fc-2,softmax", epochs=30, lr=0.1, val=0, output=tmp_path / "run", jobs=1)
        assert run.scores.accuracy == 1
        return load_model(tmp_path / "run")

    def test_they_are_kept_and_taken_as_they_are(self, model, tmp_path):
        assert model.scale == RAW
        for number in (0, 1):
            # All between 0 and 1: with a scale, it would be taken for fractions.
            np.save(tmp_path / f"{number}.npy", np.full((SIDE, SIDE), 0.9 if number else -0.7, np.float32))
        paths = [str(tmp_path / f"{number}.npy") for number in (0, 1)]
        assert [found.top()[0][0] for found in predict_files(model, paths)] == ["0", "1"]

    def test_pictures_of_bytes_are_refused_by_their_name(self, model, tmp_path):
        Image.fromarray(BYTE_PICTURES[0]).save(tmp_path / "x.png")
        (prediction,) = predict_files(model, [str(tmp_path / "x.png")])
        assert "x.png: holds whole numbers from" in prediction.error
        np.savez(tmp_path / "bytes.npz", x=BYTE_PICTURES, y=LABELS)
        with pytest.raises(CnncliError, match="the network was trained on others"):
            evaluate(model, tmp_path / "bytes.npz")


def test_dark_pictures_of_numbers_without_a_scale_are_as_the_others(tmp_path):
    pixels = np.where(LABELS[:, None, None], 1_000_000, 3) + np.zeros((COUNT, SIDE, SIDE), np.int64)
    np.savez(tmp_path / "x.npz", x=pixels, y=LABELS)
    model = train(tmp_path / "x.npz", network="gap fc-2", epochs=30, lr=0.1, val=0, jobs=1).model
    np.save(tmp_path / "dark.npy", pixels[0])
    (prediction,) = predict_files(model, [str(tmp_path / "dark.npy")])
    assert prediction.top()[0][0] == "0"


def test_a_model_of_bytes_refuses_numbers_that_have_no_scale(tmp_path):
    np.save(tmp_path / "x.npy", TestNoScale.signed[0])
    with pytest.raises(CnncliError, match=r"x\.npy: holds numbers from -0\.\d+ to .* trained on 0 to 255 or 0 to 1"):
        read_picture(str(tmp_path / "x.npy"), Reading(scale=BYTES))
    np.savez(tmp_path / "x.npz", x=TestNoScale.signed, y=LABELS)
    with pytest.raises(DataError, match=r"x\.npz: holds numbers from"):
        open_dataset(tmp_path / "x.npz", Reading(scale=BYTES))


@pytest.mark.parametrize(
    ("numbers", "factor"),
    [
        ([False, True], 255),
        ([0, 255], 1),
        ([0.0, 1.0], 255),
        ([0.0, 0.0], 255),
        ([0.0, 1.2], 1),
        ([0.0, 255.0], 1),
        ([-0.05, 1.05], 255),
        ([-12.0, 262.0], 1),
        ([0, 256], 1 / 257),
        ([0, 65535], 1 / 257),
        ([0, 65536], None),
        ([-1, 255], None),
        ([-1.0, 1.0], None),
        ([-0.42, 2.8], None),
        ([0.0, 1e4], None),
        ([0.0, float("nan")], 1),
    ],
)
def test_the_extremes_tell_the_scale(numbers, factor):
    assert find_factor(np.array(numbers), None, "x") == factor
