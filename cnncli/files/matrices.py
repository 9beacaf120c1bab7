"""Matrices of numbers as text: kernels and small images, typed in a shell or kept in a file."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnncli.errors import ArgumentError, reason
from cnncli.files.text import json_text

Matrix = tuple[tuple[int | float, ...], ...]

TEXT_SUFFIXES = (".txt", ".csv", ".json")


def parse_matrix(text: str, *, what: str = "matrix") -> Matrix:
    """Read a matrix from text.

    Rows are separated by line ends or `;`, numbers by spaces, tabs or commas; `#` starts a comment.
    Whole numbers stay `int`; `1.5`, `1e3` and fractions such as `1/9` become `float`.

    Args:
        text: the rows and numbers.
        what: name of the matrix in errors, such as `"kernel"`.

    Returns:
        The rows, each a tuple of equally many numbers.

    Raises:
        ArgumentError: no number at all, a word that is not a finite number, or rows of different lengths.

    Example:
        >>> parse_matrix("1 0 -1; 2 0 -2; 1 0 -1")
        ((1, 0, -1), (2, 0, -2), (1, 0, -1))
    """
    lines = [line.partition("#")[0] for line in text.removeprefix("\ufeff").splitlines()]
    rows = [row for line in lines for row in line.split(";") if row.strip()]
    matrix = tuple(_parse_row(row, f"{what} row {number}") for number, row in enumerate(rows, start=1))
    return _rectangular(matrix, what)


def parse_matrices(text: str, *, what: str = "matrix") -> tuple[Matrix, ...]:
    """Read matrices of one size from text, each as `parse_matrix` reads it, with `|` between them.

    Raises:
        ArgumentError: as `parse_matrix`; or matrices of different sizes.

    Example:
        >>> parse_matrices("1 0; 0 1 | 2 2; 2 2")
        (((1, 0), (0, 1)), ((2, 2), (2, 2)))
    """
    parts = "\n".join(line.partition("#")[0] for line in text.splitlines()).split("|")
    names = [what] if len(parts) == 1 else [f"{what} {number} of {len(parts)}" for number in range(1, len(parts) + 1)]
    matrices = tuple(parse_matrix(part, what=name) for part, name in zip(parts, names, strict=True))
    sizes = [(len(matrix), len(matrix[0])) for matrix in matrices]
    for name, (height, width) in zip(names, sizes, strict=True):
        if (height, width) != sizes[0]:
            raise ArgumentError(f"{name} is {height}x{width}, where the first is {sizes[0][0]}x{sizes[0][1]}")
    return matrices


def parse_csv(text: str, *, what: str = "matrix") -> Matrix:
    """Read a matrix from CSV: as `parse_matrix`, but `;` separates numbers, as it does where spreadsheets write it.

    Example:
        >>> parse_csv("1;0;-1")
        ((1, 0, -1),)
    """
    return parse_matrix(text.replace(";", ","), what=what)


def parser_of(suffix: str) -> Callable[..., Matrix]:
    """Return the function that reads the text of files with a suffix."""
    return {".json": parse_json, ".csv": parse_csv}.get(suffix.lower(), parse_matrix)


def format_matrix(matrix: Any, number: Callable[[Any], str] = repr) -> str:
    """Write a matrix as aligned columns of text that `parse_matrix` reads back exactly.

    Args:
        matrix: a NumPy array or nested sequences, of shape (rows, columns).
        number: writes a number; only with its `repr` the matrix is read back exactly.

    Returns:
        One line a row, without a line end after the last.

    Example:
        >>> print(format_matrix([[1, 0, -1], [10, 0, -10]]))
         1 0  -1
        10 0 -10
    """
    rows = matrix.tolist() if hasattr(matrix, "tolist") else matrix  # NumPy's own numbers have another repr
    cells = [list(map(number, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(" ".join(map(str.rjust, row, widths)) for row in cells)


def read_matrix(path: str | Path, *, what: str = "matrix") -> Matrix:
    """Read a matrix from a `.txt`, `.csv` or `.json` file (JSON: nested lists of numbers).

    Raises:
        ArgumentError: the file cannot be read, or does not hold a matrix, which the message calls `what`.

    Example:
        >>> read_matrix("samples/sobel.txt")  # doctest: +SKIP
        ((1, 0, -1), (2, 0, -2), (1, 0, -1))
    """
    path = Path(path)
    if path.suffix.lower() not in TEXT_SUFFIXES:
        raise ArgumentError(f"{what} file {path}: a matrix is read from {', '.join(TEXT_SUFFIXES)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ArgumentError(f"{what} file {path}: {reason(error).lower()}") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{what} file {path}: holds no text, expected rows of numbers") from error
    return parser_of(path.suffix)(text, what=f"{what} file {path}:")


def parse_json(text: str, *, what: str = "matrix") -> Matrix:
    """Read a matrix from JSON, a list of equally long lists of finite numbers; otherwise as `parse_matrix`.

    Example:
        >>> parse_json("[[1, 0, -1], [1, 0, -1]]")
        ((1, 0, -1), (1, 0, -1))
    """
    import json

    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{what} is not JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ArgumentError(f"{what} is not a list of lists of numbers, such as [[1, 0, -1], [1, 0, -1]]")
    matrix = tuple(
        tuple(_json_number(cell, f"{what} row {y}, column {x}") for x, cell in enumerate(row, start=1))
        for y, row in enumerate(rows, start=1)
    )
    return _rectangular(matrix, what)


def _parse_row(row: str, where: str) -> tuple[int | float, ...]:
    # A comma between numbers separates them; an empty cell between two commas is not taken for nothing.
    words = re.split(r"\s*,\s*|\s+", row.strip())
    return tuple(_number(word, f"{where}, column {column}") for column, word in enumerate(words, start=1))


def _number(word: str, where: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        pass
    try:
        top, slash, bottom = word.partition("/")
        value = float(top) / float(bottom) if slash else float(word)
    except (ValueError, ZeroDivisionError):
        raise ArgumentError(f"{where}: {word!r} is not a number") from None
    return _finite(value, where)


def _json_number(cell: object, where: str) -> int | float:
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise ArgumentError(f"{where}: {json_text(cell)} is not a number")
    return _finite(cell, where)


def _finite(value: int | float, where: str) -> int | float:
    if isinstance(value, float) and not math.isfinite(value):
        raise ArgumentError(f"{where}: {value} is not a finite number")
    return value


def _rectangular(matrix: Matrix, what: str) -> Matrix:
    if not matrix or not matrix[0]:
        raise ArgumentError(f"{what} holds no numbers; write it as '1 0 -1; 1 0 -1; 1 0 -1'")
    width = len(matrix[0])
    for number, row in enumerate(matrix, start=1):
        if len(row) != width:
            raise ArgumentError(f"{what} row {number} has {len(row)} numbers where row 1 has {width}")
    return matrix
