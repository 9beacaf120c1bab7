import numpy as np
import pytest

from cnncli.data import Reading, open_dataset, recognise
from cnncli.errors import DataError

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def write(path, labels, images):
    """Images (N, 32, 32, 3) as the course of the format has it: label, red plane, green, blue."""
    records = [bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in zip(labels, images, strict=True)]
    path.write_bytes(b"".join(records))


@pytest.fixture
def cifar(tmp_path):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (35, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(35) % 10
    for batch, cut in ((1, slice(0, 10)), (2, slice(10, 15)), (10, slice(15, 25))):
        write(tmp_path / f"data_batch_{batch}.bin", labels[cut], images[cut])
    write(tmp_path / "test_batch.bin", labels[25:], images[25:])
    (tmp_path / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    (tmp_path / "readme.html").write_text("<html>")
    return tmp_path, images, labels


def test_batches_in_order_and_the_test_set(cifar):
    folder, images, labels = cifar
    assert recognise(folder) == "cifar"
    parts = open_dataset(folder)
    assert parts.train.class_names == NAMES
    assert parts.train.shape == (32, 32, 3)
    assert np.array_equal(parts.train.images(np.arange(25)), images[:25])
    assert np.array_equal(parts.train.labels, labels[:25])
    assert np.array_equal(parts.test.images(np.arange(10)), images[25:])
    assert parts.train.images([0]).dtype == np.uint8


def test_the_known_names_stand_in_for_a_missing_list(cifar):
    folder, _, _ = cifar
    (folder / "batches.meta.txt").unlink()
    assert open_dataset(folder).train.class_names == NAMES


def test_colour_can_be_made_grey(cifar):
    from PIL import Image

    folder, images, _ = cifar
    data = open_dataset(folder, Reading(channels=1)).train
    assert np.array_equal(data.images([3])[0, ..., 0], np.asarray(Image.fromarray(images[3]).convert("L")))


@pytest.mark.parametrize("size", [0, 1, 3072, 3074, 2 * 3073 - 1])
def test_truncated_batches(cifar, size):
    folder, _, _ = cifar
    (folder / "data_batch_2.bin").write_bytes(bytes(size))
    with pytest.raises(
        DataError, match=r"data_batch_2\.bin: truncated or not a CIFAR-10 batch: [\d,]+ bytes are not a multiple"
    ):
        open_dataset(folder)


def test_labels_that_have_no_name(cifar):
    folder, _, _ = cifar
    (folder / "batches.meta.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match="label 9 where there are 2 classes: cat, dog"):
        open_dataset(folder)
    (folder / "batches.meta.txt").write_text("cat\ncat\n")
    with pytest.raises(DataError, match="should name each class once"):
        open_dataset(folder)


def test_a_limit_of_memory(cifar):
    with pytest.raises(DataError, match="over the limit of 50,000"):
        open_dataset(cifar[0], Reading(max_bytes=50_000))


def test_the_pickled_version_is_refused_in_words(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02}q\x01.")
    (tmp_path / "batches.meta").write_bytes(b"\x80\x02}q\x01.")
    with pytest.raises(DataError, match="Python version, which is read by running code; get the binary version"):
        open_dataset(tmp_path)
