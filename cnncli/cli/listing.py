"""Inputs of commands that read many pictures and write none."""

import os
import sys

from cnncli.batch import STANDARD, find_inputs
from cnncli.errors import ArgumentError
from cnncli.images import READABLE_SUFFIXES
from cnncli.matrices import TEXT_SUFFIXES

# In folders, text and archives are seldom pictures.
_FOLDER_SUFFIXES = tuple(suffix for suffix in READABLE_SUFFIXES if suffix not in (*TEXT_SUFFIXES, ".npz"))


def find_pictures(words: list[str], files_from: str | None, *, recursive: bool) -> list[str]:
    """Return the files that words and a list stand for.

    Raises:
        ArgumentError: nothing is named, or standard input twice.
        NoInputError: a glob, a folder or the list holds nothing.
    """
    if not words and files_from is None:
        raise ArgumentError("no inputs: name files, quoted globs or folders (with -r), or - for standard input")
    if files_from == STANDARD and STANDARD in words:
        raise ArgumentError("--files-from - and an input - would both read standard input: list files in a file")
    listed = _listed(files_from)
    return [found.path for found in find_inputs(words, listed, recursive=recursive, suffixes=_FOLDER_SUFFIXES)]


def _listed(files_from: str | None) -> list[str]:
    """Return the paths of the list; names of files are bytes, whatever they mean."""
    if files_from is None:
        return []
    try:
        content = sys.stdin.buffer.read() if files_from == STANDARD else _content(files_from)
    except OSError as error:
        raise ArgumentError(f"--files-from {files_from}: {error.strerror}") from error
    return [os.fsdecode(line.rstrip(b"\r")) for line in content.split(b"\n") if line.strip()]


def _content(path: str) -> bytes:
    with open(path, "rb") as listing:
        return listing.read()
