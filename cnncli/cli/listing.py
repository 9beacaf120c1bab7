"""Inputs as they are named on the command line: words, and a list in a file."""

import os
import sys
from io import BytesIO
from typing import BinaryIO

from cnncli.batch import STANDARD, Input, find_inputs
from cnncli.batch.objects import read as read_object
from cnncli.batch.urls import is_url, without_file_scheme
from cnncli.errors import ArgumentError
from cnncli.images import PICTURE_SUFFIXES


def find_pictures(words: list[str], files_from: str | None, *, recursive: bool) -> list[Input]:
    """Return the files that words and a list stand for.

    Raises:
        ArgumentError: nothing is named, or standard input twice.
        NoInputError: a glob, a folder or the list holds nothing.
    """
    if not words and files_from is None:
        raise ArgumentError("no inputs: name files, quoted globs or folders (with -r), or - for standard input")
    if files_from == STANDARD and STANDARD in words:
        raise ArgumentError("--files-from - and an input - would both read standard input: list files in a file")
    listed = [] if files_from is None else _listed(files_from)
    return find_inputs(words, listed, recursive=recursive, suffixes=PICTURE_SUFFIXES)


def _listed(files_from: str) -> list[str]:
    """Return the paths of the list; names of files are bytes, whatever they mean."""
    if files_from == STANDARD:
        return _lines(sys.stdin.buffer)
    name = without_file_scheme(files_from)
    if is_url(name):
        return _lines(BytesIO(read_object(name)))
    try:
        with open(name, "rb") as listing:
            return _lines(listing)
    except OSError as error:
        raise ArgumentError(f"--files-from {files_from}: {error.strerror}") from error


def _lines(stream: BinaryIO) -> list[str]:
    return [os.fsdecode(line.rstrip(b"\r\n")) for line in stream if line.strip()]
