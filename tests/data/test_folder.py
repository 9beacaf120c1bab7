import os
import threading

import numpy as np
import pytest
from PIL import Image

from cnncli.data import Reading, open_dataset, read_picture, recognise
from cnncli.data.files import in_parallel
from cnncli.errors import DataError, ImageError, NoInputError

RNG = np.random.default_rng(2)


def pixels(height=6, width=5, channels=1, seed=0):
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Three classes of two grey pictures each."""
    for place, name in enumerate(("10", "9", "cat")):
        for number in range(2):
            save(tmp_path / "data" / name / f"{number}.png", pixels(seed=10 * place + number))
    return tmp_path / "data"


def kinds(parts):
    return [finding.kind for finding in parts.findings]


def test_classes_are_the_folders_in_natural_order(folder):
    parts = open_dataset(folder)
    data = parts.train
    assert recognise(folder) == "folder"
    assert parts.validation is parts.test is None
    assert parts.findings == ()
    assert data.class_names == ("9", "10", "cat")
    assert data.labels.dtype == np.int64
    assert data.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.shape == (6, 5, 1)
    assert len(data) == 6
    assert data.counts().tolist() == [2, 2, 2]
    assert [os.path.relpath(name, folder) for name in data.names] == [
        os.path.join(name, f"{number}.png") for name in ("9", "10", "cat") for number in range(2)
    ]


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("cache_bytes", [0, 60, 1 << 20])
def test_pictures_come_in_the_order_asked_for_whatever_is_kept(folder, jobs, cache_bytes):
    data = open_dataset(folder, Reading(jobs=jobs, cache_bytes=cache_bytes)).train
    expected = np.stack([np.asarray(Image.open(name)) for name in data.names])[..., np.newaxis]
    for indices in ([5, 0, 3], [2, 2], [], np.arange(6)):
        images = data.images(indices)
        assert images.dtype == np.uint8
        assert images.shape == (len(indices), 6, 5, 1)
        assert np.array_equal(images, expected[np.asarray(indices, int)])
    assert np.array_equal(np.concatenate([images for _, images in data.chunks()]), expected)


def test_what_is_returned_may_be_written_to(folder):
    data = open_dataset(folder).train
    before = data.images([0]).copy()
    data.images([0])[:] = 0
    assert np.array_equal(data.images([0]), before)


def test_the_cache_is_bounded_and_what_is_in_it_is_not_read_again(folder):
    reading = Reading(cache_bytes=4 * 30)
    data = open_dataset(folder, reading).train
    whole = data.images(np.arange(6))
    for path in folder.rglob("*.png"):
        path.unlink()
    readable = []
    for place in range(6):
        try:
            assert np.array_equal(data.images([place])[0], whole[place])
            readable.append(place)
        except ImageError as error:
            assert "no such file" in str(error)  # noqa: PT017 -- two of six fail, whichever
    assert len(readable) == 4


def test_several_threads_may_read_at_a_time(folder):
    data = open_dataset(folder, Reading(cache_bytes=0)).train
    expected = data.images(np.arange(6))
    wrong = []

    def read():
        wrong.extend(turn for turn in range(5) if not np.array_equal(data.images(np.arange(6)), expected))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_colour_anywhere_makes_all_colour_and_grey_stays_one_channel(folder):
    assert open_dataset(folder).train.shape[2] == 1
    save(folder / "cat" / "colour.png", pixels(channels=3))
    data = open_dataset(folder).train
    assert data.shape == (6, 5, 3)
    grey = data.images([0])[0]
    assert (grey == grey[..., :1]).all()
    assert open_dataset(folder, Reading(channels=1)).train.shape == (6, 5, 1)
    found = open_dataset(folder, Reading(channels=1)).train.images([6])[0, ..., 0]
    assert np.array_equal(found, np.asarray(Image.open(folder / "cat" / "colour.png").convert("L")))


def test_grey_can_be_asked_for_as_colour(folder):
    assert open_dataset(folder, Reading(channels=3)).train.images([0]).shape == (1, 6, 5, 3)


def test_sixteen_bits_keep_their_fine_steps_on_the_scale_of_bytes(folder):
    deep = RNG.integers(0, 65536, (6, 5)).astype(np.uint16)
    save(folder / "cat" / "deep.png", deep)
    data = open_dataset(folder).train
    images = data.images(np.arange(7))
    assert images.dtype == np.float32
    assert np.allclose(images[6, ..., 0], deep / 257, atol=1e-4)
    assert images[0].max() > 100  # bytes stay as they are
    assert np.array_equal(images[0, ..., 0], np.asarray(Image.open(data.names[0])))


def test_exif_orientation_is_applied(folder):
    upright = pixels(5, 6, seed=8)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    save(folder / "9" / "0.png", upright, exif=exif)
    turned = open_dataset(folder).train.images([0])[0, ..., 0]
    assert np.array_equal(turned, np.rot90(upright, -1))


def test_transparency_is_shown_on_white(tmp_path):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = 10, 20, 30, 255
    rgba[0, 1] = 0, 0, 0, 102
    save(tmp_path / "x.png", rgba)
    assert read_picture(str(tmp_path / "x.png")).tolist() == [[[10, 20, 30], [153] * 3], [[255] * 3] * 2]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "gif", "webp", "bmp", "pgm", "npy"])
def test_every_format_that_the_tool_reads(tmp_path, suffix):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        array = pixels(8, 8, seed=ord(name))
        if suffix == "npy":
            np.save(tmp_path / name / "x.npy", array)
        else:
            save(tmp_path / name / f"x.{suffix}", array)
    data = open_dataset(tmp_path).train
    assert len(data) == 2
    assert data.images([0, 1]).shape[:3] == (2, 8, 8)


def test_different_sizes_are_refused_unless_one_is_said(folder):
    save(folder / "cat" / "large.png", pixels(12, 7))
    with pytest.raises(
        DataError, match=r"pictures differ in size: .*0\.png is 6x5, .*large\.png is 12x7; give one size"
    ):
        open_dataset(folder)
    data = open_dataset(folder, Reading(size=(4, 4), jobs=2)).train
    assert data.images(np.arange(7)).shape == (7, 4, 4, 1)
    assert np.array_equal(data.images([6])[0], read_picture(data.names[6], Reading(size=(4, 4))))


def test_corrupt_pictures_are_named_and_left_out(folder):
    (folder / "9" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (folder / "cat" / "empty.png").write_bytes(b"")
    whole = (folder / "10" / "0.png").read_bytes()
    (folder / "10" / "cut.png").write_bytes(whole[: len(whole) // 2])
    parts = open_dataset(folder)
    assert len(parts.train) == 6
    assert parts.train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    (finding,) = parts.findings
    assert finding.kind == "corrupt"
    assert len(finding.items) == 3
    for name in ("broken.png", "empty.png", "cut.png"):
        assert name in finding.message
    assert "\n" not in finding.message
    with pytest.raises(ImageError, match=r"broken\.png"):
        open_dataset(folder, Reading(strict=True))


def test_a_folder_of_nothing_but_corrupt_pictures(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"no picture")
    with pytest.raises(NoInputError, match=r"none of its 2 pictures can be read; the first: .*holds text"):
        open_dataset(tmp_path)


def test_an_empty_class_is_left_out_and_said(folder):
    (folder / "zebra").mkdir()
    (folder / "zebra" / "notes.md").write_text("none yet")
    parts = open_dataset(folder)
    assert parts.train.class_names == ("9", "10", "cat")
    assert kinds(parts) == ["empty class"]
    assert "zebra" in parts.findings[0].message


def test_a_single_class_is_said(tmp_path):
    for number in range(3):
        save(tmp_path / "only" / f"{number}.png", pixels(seed=number))
    parts = open_dataset(tmp_path)
    assert kinds(parts) == ["single class"]
    assert "all 3 pictures are of one class, 'only'" in parts.findings[0].message


def test_no_pictures_at_all(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(NoInputError, match="its folders hold no pictures"):
        open_dataset(tmp_path)


def test_pictures_beside_the_classes_are_said(folder):
    save(folder / "stray.png", pixels())
    parts = open_dataset(folder)
    assert kinds(parts) == ["ignored"]
    assert "stray.png" in parts.findings[0].message


def test_hidden_files_and_other_files_are_no_pictures(folder):
    (folder / "9" / ".hidden.png").write_bytes(b"x")
    (folder / "9" / "._0.png").write_bytes(b"x")
    (folder / "9" / "Thumbs.db").write_bytes(b"x")
    (folder / ".cache").mkdir()
    (folder / "__MACOSX").mkdir()
    parts = open_dataset(folder)
    assert len(parts.train) == 6
    assert parts.findings == ()


def test_folders_inside_a_class_belong_to_it(folder):
    save(folder / "cat" / "2024" / "x.png", pixels(seed=99))
    assert open_dataset(folder).train.counts().tolist() == [2, 2, 3]


def test_the_same_picture_under_two_labels_is_said(folder):
    (folder / "cat" / "copy.png").write_bytes((folder / "9" / "1.png").read_bytes())
    parts = open_dataset(folder)
    assert kinds(parts) == ["conflict"]
    assert parts.findings[0].message.startswith("1 picture has two labels: ")
    assert "copy.png (cat)" in parts.findings[0].message


def test_progress_is_told(folder):
    told = []
    open_dataset(folder, Reading(jobs=2), progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 6) for done in range(1, 7)]


def test_classes_can_be_those_of_a_network(folder):
    names = ("cat", "dog", "10", "9")
    data = open_dataset(folder, class_names=names).train
    assert data.class_names == names
    assert data.labels.tolist() == [3, 3, 2, 2, 0, 0]
    with pytest.raises(DataError, match="class '10' is not among the known ones: 9, cat"):
        open_dataset(folder, class_names=("9", "cat"))


def test_a_file_that_changes_meanwhile_is_named(folder):
    data = open_dataset(folder, Reading(cache_bytes=0)).train
    save(folder / "9" / "0.png", pixels(9, 9))
    with pytest.raises(ImageError, match=r"0\.png: is 9x9 now, was 6x5: changed meanwhile"):
        data.images([0])


def test_user_files_are_not_changed(folder):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.png")}
    open_dataset(folder, Reading(size=(3, 3))).train.images(np.arange(6))
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }


def test_memory_does_not_grow_with_the_data(tmp_path):
    """Sixty pictures of 400 KB are checked and read in a few megabytes."""
    import tracemalloc

    for number in range(60):
        save(tmp_path / "ab"[number % 2] / f"{number}.png", np.full((400, 1000), number, np.uint8))
    tracemalloc.start()
    data = open_dataset(tmp_path, Reading(cache_bytes=1 << 20, jobs=2)).train
    for indices, images in data.chunks():
        assert len(indices) == len(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20 < 60 * 400_000


@pytest.mark.parametrize("jobs", [1, 10**20])
def test_any_number_of_threads_will_do(jobs):
    assert list(in_parallel(str, range(5), jobs)) == ["0", "1", "2", "3", "4"]
