"""Whatever bytes a data file holds, it is read or refused in one line."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnncli.data import Reading, open_dataset
from cnncli.data.idx import read_idx
from cnncli.errors import CnncliError

MODERATE = settings(
    max_examples=60,
    suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.function_scoped_fixture],
)
GOOD_IDX = bytes([0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2]) + bytes(range(24))


def good_npz():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.arange(48, dtype=np.uint8).reshape(4, 4, 3), y=np.array([0, 1, 0, 1]))
    return buffer.getvalue()


def good_npy():
    buffer = io.BytesIO()
    np.save(buffer, np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    return buffer.getvalue()


@st.composite
def damaged(draw, content):
    """Content with some bytes exchanged, and perhaps cut."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        changed[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(changed[: draw(st.integers(0, len(content)) | st.just(len(content)))])


def read_or_refuse(read, path):
    try:
        return read()
    except CnncliError as error:
        if "\n" in str(error) or not str(error).startswith(str(path)):
            pytest.fail(f"not one line that begins with the path: {error}")
    return None


@MODERATE
@given(content=st.binary(max_size=200) | damaged(GOOD_IDX), packed=st.booleans())
def test_idx(tmp_path, content, packed):
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content) if packed else content)
    read_or_refuse(lambda: read_idx(str(path), 1 << 20), path)


@MODERATE
@given(content=damaged(gzip.compress(GOOD_IDX, mtime=0)))
def test_gzip(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    read_or_refuse(lambda: read_idx(str(path), 1 << 20), path)


@MODERATE
@given(content=st.binary(max_size=200) | damaged(good_npz()))
def test_npz(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    read_or_refuse(lambda: open_dataset(path, Reading(max_bytes=1 << 20)), path)


@MODERATE
@given(content=damaged(good_npy()), labels=damaged(good_npy()), both=st.booleans())
def test_arrays_inside_an_npz(tmp_path, content, labels, both):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", labels if both else good_npy())
    read_or_refuse(lambda: open_dataset(path, Reading(max_bytes=1 << 20)), path)


@MODERATE
@given(content=st.binary(min_size=1, max_size=200))
def test_a_picture_file(tmp_path, content):
    for name in "ab":
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "x.png").write_bytes(content)
    read_or_refuse(lambda: open_dataset(tmp_path), tmp_path)
