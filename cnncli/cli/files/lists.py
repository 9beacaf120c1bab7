"""Lists of inputs: one name per line, or with a NUL after each."""

import os
import sys
from contextlib import nullcontext

from cnncli.batch.objects import is_url, without_file_scheme
from cnncli.batch.objects import read as read_object
from cnncli.errors import ArgumentError, reason
from cnncli.files.temporary import STANDARD

LONGEST_LIST = 256 << 20
"""Bytes of a list: of millions of names. What has no end, such as /dev/zero, is refused."""

NUL_LIST = "--files-from0"
"""The option that reads a list of names that end in NULs."""

_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def read_list(option: str, name: str) -> list[str]:
    """Return the paths that the list of an option holds.

    Raises:
        ArgumentError: it cannot be read, or is not such a list.
    """
    return parse_list(_content(option, name), f"{option} {name}", nul=option == NUL_LIST)


def parse_list(content: bytes, name: str = "list", *, nul: bool = False) -> list[str]:
    r"""Return the paths that a list holds: one a line, or each before a NUL, as `find -print0` writes them.

    Names of files are bytes, whatever they mean; only where a list begins with UTF-16's mark, they are text.

    Args:
        content: the list.
        name: name in errors.
        nul: whether NULs separate the names, which are then taken as they are; otherwise only if one is at the end.

    Raises:
        ArgumentError: broken UTF-16, or lines where NULs are expected.

    Example:
        >>> parse_list(b"\xef\xbb\xbfa b.png\r\n\r\nc.png"), parse_list(b"a\nb.png\0c.png\0")
        (['a b.png', 'c.png'], ['a\nb.png', 'c.png'])
        >>> parse_list(b"a\nb.png\0 ", nul=True)
        ['a\nb.png', ' ']
    """
    if nul:
        if content.endswith(b"\n") and b"\0" not in content:
            raise ArgumentError(f"{name}: holds lines, and no NUL as find -print0 writes: read it with --files-from")
        return [os.fsdecode(path) for path in content.split(b"\0") if path]
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


def _content(option: str, files_from: str) -> bytes:
    """Read a list."""
    name = without_file_scheme(files_from)
    if is_url(name):
        return read_object(name)
    if files_from == STANDARD and sys.stdin is None:
        raise ArgumentError(f"{option} -: standard input is closed")
    try:
        with nullcontext(sys.stdin.buffer) if files_from == STANDARD else open(name, "rb") as listing:
            content = listing.read(LONGEST_LIST + 1)
    except OSError as error:
        raise ArgumentError(f"{option} {files_from}: {reason(error)}") from error
    if len(content) > LONGEST_LIST:
        raise ArgumentError(
            f"{option} {files_from}: is larger than {LONGEST_LIST >> 20} MB, too large for a list of files"
        )
    return content
