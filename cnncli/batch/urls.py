"""Names that are URLs: told from paths without loading anything."""

import re

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_WEB = re.compile(r"\Ahttps?://", re.IGNORECASE)
_FILE = re.compile(r"\A(file|local)://", re.IGNORECASE)
"""Schemes of this machine: paths are held against each other by device and number, URLs could not be."""


def is_url(name: str) -> bool:
    """Whether a name is a URL; `./` in front of a path that looks like one says that it is a path.

    Example:
        >>> is_url("s3://photos/a.jpg"), is_url("photos/a.jpg"), is_url("./s3://photos/a.jpg")
        (True, False, False)
    """
    return "://" in name and _URL.match(name) is not None


def without_file_scheme(name: str) -> str:
    """Return the path that a `file://` or `local://` URL means, and any other name as it is.

    What stands behind the two slashes is the path, as fsspec reads it: `%20` is no space.

    Example:
        >>> without_file_scheme("file:///photos/a.jpg"), without_file_scheme("s3://photos/a.jpg")
        ('/photos/a.jpg', 's3://photos/a.jpg')
    """
    return _FILE.sub("", name)


def without_query(name: str) -> str:
    """Return a web address without what follows its path, often a signature, and any other name as it is.

    Example:
        >>> without_query("https://host/a.jpg?token=1"), without_query("s3://photos/?.jpg")
        ('https://host/a.jpg', 's3://photos/?.jpg')
    """
    return re.split("[?#]", name, maxsplit=1)[0] if _WEB.match(name) else name


def folder_of(url: str) -> str:
    """Return a URL without its last part.

    Example:
        >>> folder_of("s3://photos/2024/a.jpg")
        's3://photos/2024'
    """
    return url.rpartition("/")[0]


def scheme_of(url: str) -> str:
    """Return what stands before `://`, in lower case.

    Example:
        >>> scheme_of("S3://photos/a.jpg")
        's3'
    """
    return url.partition("://")[0].lower()
