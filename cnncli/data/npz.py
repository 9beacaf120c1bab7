"""NumPy's `.npz`: `x` and `y`, or Keras's `x_train, y_train, x_test, y_test` (and `x_val, y_val`).

Nothing that is read can run code: arrays of objects, which NumPy would unpickle, are refused.
"""

import os
import zipfile

from cnncli.arrays import Array
from cnncli.data.arrays import LabelledArrays, array_parts, check_size, one_line_errors, read_exactly
from cnncli.data.parts import Parts
from cnncli.data.pictures import Reading
from cnncli.errors import DataError
from cnncli.images.formats.arrays import read_npy_header

_PARTS = {"train": ("", "_train"), "validation": ("_val", "_valid"), "test": ("_test",)}


def is_npz(path: str) -> bool:
    """Return whether a file is named as an `.npz`."""
    return path.lower().endswith(".npz")


def open_npz(path: str, reading: Reading) -> Parts:
    """Open an `.npz` file."""
    with one_line_errors(path), _open_zip(path) as archive:
        found = {name.removesuffix(".npy"): archive.getinfo(name) for name in archive.namelist()}
        parts: dict[str, LabelledArrays] = {}
        left = reading.max_bytes
        for part, endings in _PARTS.items():
            for ending in endings:
                x, y = f"x{ending}", f"y{ending}"
                if x in found and y in found and part not in parts:
                    arrays = []
                    for name in (x, y):
                        arrays.append(_read_member(archive, found[name], path, left))
                        left -= arrays[-1].nbytes  # the limit is for all of them together
                    parts[part] = LabelledArrays(arrays[0], arrays[1], f"{path}:{x}")
        if not parts:
            names = ", ".join(sorted(found)[:10]) or "nothing"
            raise DataError(f"{path}: should hold x and y, or x_train, y_train, x_test and y_test; found {names}")
    return array_parts(path, parts, reading)


def read_arrays(path: str, max_bytes: int = Reading().max_bytes) -> dict[str, Array]:
    """Return all arrays of an `.npz` file by name.

    Raises:
        DataError: it cannot be read, or its arrays take more than `max_bytes`.
    """
    arrays: dict[str, Array] = {}
    with one_line_errors(path), _open_zip(path) as archive:
        for member in archive.infolist():
            array = _read_member(archive, member, path, max_bytes)
            max_bytes -= array.nbytes
            arrays[member.filename.removesuffix(".npy")] = array
    return arrays


def _open_zip(path: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not an .npz file, or a damaged one: {' '.join(str(error).split())}") from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str, max_bytes: int) -> Array:
    name = f"{path}:{member.filename.removesuffix('.npy')}"
    try:
        with archive.open(member) as stream:
            try:
                header = read_npy_header(stream)
            except ValueError as error:
                raise DataError(f"{name}: {error}") from error
            packed = member.compress_type != zipfile.ZIP_STORED
            stored = min(member.compress_size, os.path.getsize(path))
            check_size(name, header.size, stored, max_bytes, unpack="np.savez" if packed else None)
            numbers = read_exactly(stream, header.size, name).view(header.dtype)
            stream.read(1)  # at its end the archive checks its sum
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as error:
        raise DataError(f"{name}: cannot be read: {' '.join(str(error).split())}") from error
    return numbers.reshape(header.shape[::-1]).T if header.fortran_order else numbers.reshape(header.shape)
