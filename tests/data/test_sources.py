"""Every kind of data set in `SOURCES` keeps the same promises: an added kind is tested once it has an example here."""

import numpy as np
import pytest
from PIL import Image

from cnncli.data import SOURCES, open_dataset, recognise
from cnncli.errors import CnncliError, DataError

CLASSES = ("0", "1", "2")
LABELS = np.array([0, 1, 2, 0, 1, 2])
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
PIXELS[:, 0, 0, 0] = range(6)  # all differ


def npz(path):
    np.savez(path.with_suffix(".npz"), x=PIXELS, y=LABELS)
    return path.with_suffix(".npz")


def idx(path):
    path.mkdir()
    for name, numbers in (("images-idx3", PIXELS[..., 0]), ("labels-idx1", LABELS.astype(np.uint8))):
        header = bytes([0, 0, 8, numbers.ndim]) + np.array(numbers.shape, ">u4").tobytes()
        (path / f"train-{name}-ubyte").write_bytes(header + numbers.tobytes())
    return path


def cifar(path):
    path.mkdir()
    records = [bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in zip(LABELS, PIXELS, strict=True)]
    (path / "data_batch_1.bin").write_bytes(b"".join(records))
    (path / "batches.meta.txt").write_text("\n".join(CLASSES))
    return path


def folder(path):
    for number, (label, image) in enumerate(zip(LABELS, PIXELS, strict=True)):
        (path / CLASSES[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / CLASSES[label] / f"{number}.png")
    return path


def pair(path):
    folder(path / "train")
    (path / "test" / "0").mkdir(parents=True)
    Image.fromarray(PIXELS[0] ^ 255).save(path / "test" / "0" / "x.png")
    return path


EXAMPLES = {"npz": npz, "idx": idx, "cifar": cifar, "pair": pair, "folder": folder}


def test_every_kind_has_an_example():
    assert EXAMPLES.keys() == SOURCES.keys()


@pytest.fixture(params=SOURCES)
def kind(request):
    return request.param


@pytest.fixture
def data(kind, tmp_path):
    return EXAMPLES[kind](tmp_path / "data")


def test_it_is_recognised_and_opened(kind, data):
    assert recognise(data) == recognise(str(data)) == kind
    train = open_dataset(data).train
    assert train.class_names == CLASSES
    assert sorted(train.labels.tolist()) == sorted(LABELS.tolist())
    found = {
        (label, image[..., 0].tobytes()) for label, image in zip(train.labels, train.images(range(6)), strict=True)
    }
    assert found == {(label, image[..., 0].tobytes()) for label, image in zip(LABELS, PIXELS, strict=True)}


def red(labels, images):
    """Return labels with the first channel of their picture, the only one that every kind keeps."""
    return {(label, image[..., 0].tobytes()) for label, image in zip(labels, images, strict=True)}


def test_it_is_labelled_by_the_classes_that_are_asked_for(data):
    train = open_dataset(data, class_names=("other", *CLASSES[::-1])).train
    assert train.class_names == ("other", "2", "1", "0")
    assert train.counts().tolist() == [0, 2, 2, 2]


def test_a_class_that_is_not_known_is_said(data):
    with pytest.raises(DataError, match="'2' is not among the known ones: 0, 1") as caught:
        open_dataset(data, class_names=("0", "1"))
    assert str(caught.value).startswith(str(data))


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_get_the_size_and_channels_that_are_asked_for(data, channels):
    train = open_dataset(data, size=(8, 9), channels=channels).train
    assert train.shape == train.images([0]).shape[1:] == (8, 9, channels)


def test_a_damaged_file_is_one_line(data):
    path = max((each for each in [data, *data.rglob("*")] if each.is_file()), key=lambda each: each.stat().st_size)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 - 1])
    with pytest.raises(CnncliError, match=path.name) as caught:
        open_dataset(data, strict=True)
    assert "\n" not in str(caught.value)


def test_it_is_named_where_nothing_is_recognised(kind, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError) as caught:
        recognise(tmp_path)
    assert SOURCES[kind].about in str(caught.value)
