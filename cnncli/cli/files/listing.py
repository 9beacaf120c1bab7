"""Inputs as they are named on the command line: words, and a list in a file."""

import os
import sys
from contextlib import nullcontext

from cnncli.batch.inputs import Input, find_inputs
from cnncli.batch.objects import is_url, without_file_scheme
from cnncli.batch.objects import read as read_object
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD
from cnncli.images.formats import PICTURE_SUFFIXES

LONGEST_LIST = 256 << 20
"""Bytes of a list: of millions of names. What has no end, such as /dev/zero, is refused."""

_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def find_pictures(
    words: list[str], files_from: str | None, *, recursive: bool, left_out: list[str], repeats: bool = False
) -> list[Input]:
    """Return the files that words and a list stand for, each once unless `repeats` are asked for.

    Pipes, sockets and devices that are found or listed are added to `left_out` instead.

    Raises:
        ArgumentError: nothing is named, standard input twice, or a list that cannot be read.
        NoInputError: a glob, a folder or the list holds nothing.
    """
    if not words and files_from is None:
        raise ArgumentError("no inputs: give files, quoted globs, folders (with -r), or - for standard input")
    if files_from == STANDARD and STANDARD in words:
        raise ArgumentError("--files-from - and the input - both read standard input: put the list in a file")
    listed = [] if files_from is None else parse_list(_content(files_from), f"--files-from {files_from}")
    return find_inputs(
        words, listed, recursive=recursive, suffixes=PICTURE_SUFFIXES, left_out=left_out, repeats=repeats
    )


def parse_list(content: bytes, name: str = "list") -> list[str]:
    r"""Return the paths that a list holds: one a line, or each before a NUL, as `find -print0` writes them.

    Names of files are bytes, whatever they mean; only where a list begins with UTF-16's mark, they are text.

    Args:
        content: the list.
        name: what an error calls it.

    Raises:
        ArgumentError: broken UTF-16.

    Example:
        >>> parse_list(b"\xef\xbb\xbfa b.png\r\n\r\nc.png"), parse_list(b"a\nb.png\0c.png\0")
        (['a b.png', 'c.png'], ['a\nb.png', 'c.png'])
    """
    if encoding := _BYTE_ORDER_MARKS.get(content[:2]):
        try:
            content = content[2:].decode(encoding).encode()
        except UnicodeError as error:
            raise ArgumentError(f"{name}: starts with a UTF-16 mark but is not UTF-16: {error}") from error
    content = content.removeprefix(b"\xef\xbb\xbf")
    separator = b"\0" if content.endswith(b"\0") else b"\n"
    lines = [line.strip(b"\r\n") if separator == b"\n" else line for line in content.split(separator)]
    # No name holds a NUL. With its picture in its place, this one name fails: no such file.
    return [os.fsdecode(line).replace("\0", "\u2400") for line in lines if line.strip()]


def _content(files_from: str) -> bytes:
    """Read a list."""
    name = without_file_scheme(files_from)
    if is_url(name):
        return read_object(name)
    if files_from == STANDARD and sys.stdin is None:
        raise ArgumentError("--files-from -: standard input is closed")
    try:
        with nullcontext(sys.stdin.buffer) if files_from == STANDARD else open(name, "rb") as listing:
            content = listing.read(LONGEST_LIST + 1)
    except OSError as error:
        raise ArgumentError(f"--files-from {files_from}: {error.strerror or error}") from error
    if len(content) > LONGEST_LIST:
        raise ArgumentError(
            f"--files-from {files_from}: is larger than {LONGEST_LIST >> 20} MB, too large for a list of files"
        )
    return content
