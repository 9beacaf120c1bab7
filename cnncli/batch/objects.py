"""URLs, and the objects in stores such as S3 that they name. The one module that knows fsspec.

fsspec is loaded when the first URL is met: names are told from paths without it. Web addresses need no package.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NamedTuple

from cnncli.errors import ArgumentError, CnncliError, ImageError
from cnncli.files.temporary import random_name
from cnncli.files.text import printable
from cnncli.files.web import SILENCE, WebStore, is_web

EXTRA = "pip install 'cnncli[remote]'"
"""The command that installs fsspec and the most common stores."""

_WHOLE_AT_ONCE = frozenset(
    ["s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "ocilake", "oss", "swift", "memory"]
)
"""Schemes of stores where an object appears when all of it has arrived. Elsewhere a name is exchanged at the end."""

_IN_BUCKETS = frozenset(["s3", "s3a", "gs", "gcs"])
"""Schemes whose names begin with a bucket; buckets are never made here, for they have a region and a price."""

_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "crc32c", "mtime", "LastModified", "last_modified", "updated")
"""The names in stores for what changes when an object does; a digest is better than a time."""

_FEW = 8  # the most objects of a folder that are asked for one by one; for more, the folder is listed
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FILE = re.compile(r"\A(file|local)://", re.IGNORECASE)
"""Schemes of this machine: these become paths, which are compared by device and number as URLs cannot be."""


class Seen(NamedTuple):
    """The facts that a store states of an object: nothing has to be read, and a listing gives those of a thousand.

    Attributes:
        size: bytes.
        tag: a text that changes with the object: an ETag, a digest or a time, whichever the store has.
    """

    size: int
    tag: str


def is_url(name: str) -> bool:
    """Return whether a name is a URL; with `./` in front, a name that looks like one is a path.

    Example:
        >>> is_url("s3://photos/a.jpg"), is_url("photos/a.jpg"), is_url("./s3://photos/a.jpg")
        (True, False, False)
    """
    return "://" in name and _URL.match(name) is not None


def without_file_scheme(name: str) -> str:
    """Return the path that a `file://` or `local://` URL means, and any other name as it is.

    The path begins behind the two slashes, as fsspec reads it: `%20` is not a space.

    Example:
        >>> without_file_scheme("file:///photos/a.jpg"), without_file_scheme("s3://photos/a.jpg")
        ('/photos/a.jpg', 's3://photos/a.jpg')
    """
    return _FILE.sub("", name)


def without_scheme(name: str) -> str:
    """Return what follows the scheme of a URL, and any other name as it is.

    Example:
        >>> without_scheme("s3://photos/2024"), without_scheme("photos/2024")
        ('photos/2024', 'photos/2024')
    """
    return _URL.sub("", name, count=1) if is_url(name) else name


def without_query(name: str) -> str:
    """Return a web address without its query and fragment, often a signature, and any other name as it is.

    Example:
        >>> without_query("https://host/a.jpg?token=1"), without_query("s3://photos/?.jpg")
        ('https://host/a.jpg', 's3://photos/?.jpg')
    """
    return re.split("[?#]", name, maxsplit=1)[0].rstrip("/") if is_web(name) else name


def folder_of(url: str) -> str:
    """Return a URL without its last part.

    Example:
        >>> folder_of("s3://photos/2024/a.jpg")
        's3://photos/2024'
    """
    return url.rpartition("/")[0]


def scheme_of(url: str) -> str:
    """Return the scheme, which stands before `://`, in lower case.

    Example:
        >>> scheme_of("S3://photos/a.jpg")
        's3'
    """
    return url.partition("://")[0].lower()


def check(url: str) -> None:
    """Check that a URL can be opened here.

    Raises:
        ArgumentError: its scheme is unknown, or what it needs is not installed.
    """
    _class(scheme_of(url))


def place(url: str) -> str:
    """Return the one name of an object that has several, such as `gs://` and `gcs://`."""
    if is_web(url):
        return url.partition("#")[0]
    found = _class(scheme_of(url))
    protocol = found.protocol if isinstance(found.protocol, str) else found.protocol[0]
    server = [str(part) for name, part in found._get_kwargs_from_urls(url).items() if name in ("host", "port")]
    return f"{protocol}://{':'.join(server)}{found._strip_protocol(url)}"


def look(url: str) -> Seen | None:
    """Return the facts that a store states of an object; None if it has no such object.

    Raises:
        ImageError: the store does not answer, or refuses.
    """
    with _opened(url) as (store, key):
        try:
            # Anything but this very question may be answered from an older listing.
            info = store.info(key, refresh=True) if scheme_of(url) in ("s3", "s3a") else store.info(key)
        except FileNotFoundError:
            return None
    return None if info.get("type") == "directory" else _seen(info)


def look_at_all(urls: Iterable[str]) -> dict[str, Seen | None]:
    """Return the facts of many objects, by listing their folders where that takes fewer requests.

    Raises:
        ImageError: a store does not answer, or refuses.
    """
    by_folder: dict[str, list[str]] = defaultdict(list)
    for url in urls:
        by_folder[folder_of(url)].append(url)
    found: dict[str, Seen | None] = {}
    for folder, wanted in by_folder.items():
        if len(wanted) <= _FEW or is_web(folder):
            found |= {url: look(url) for url in wanted}
        else:
            listed = _listing(folder)
            found |= {url: listed.get(place(url)) for url in wanted}
    return found


def is_folder(url: str) -> bool:
    """Return whether there are objects below a URL."""
    with _opened(url) as (store, key):
        return bool(store.isdir(key))


def find(folder: str) -> dict[str, Seen]:
    """Return all objects below a folder, by URL."""
    with _opened(folder) as (store, key):
        found = store.find(key, detail=True)
    return {_url(folder, name): _seen(info) for name, info in sorted(found.items())}


def match(pattern: str) -> dict[str, Seen]:
    """Return the objects that a glob matches, by URL."""
    with _opened(pattern) as (store, key):
        found = store.glob(key, detail=True)
    files = ((name, info) for name, info in sorted(found.items()) if info.get("type") != "directory")
    return {_url(pattern, name): _seen(info) for name, info in files}


def below(url: str, folder: str) -> str:
    """Return the path of an object below a folder."""
    with _opened(folder) as (store, key):
        return str(store._strip_protocol(url)).removeprefix(key.rstrip("/")).lstrip("/")


def refuse_missing(folder: str) -> None:
    """Refuse a folder that cannot be written to because it, or its bucket, is not there.

    Raises:
        ArgumentError: it is not.
    """
    scheme = scheme_of(folder)
    with _opened(folder) as (store, key):
        if scheme in _IN_BUCKETS:
            _refuse_missing_bucket(scheme, key.partition("/")[0])
        elif scheme not in _WHOLE_AT_ONCE and not store.isdir(key):
            raise ArgumentError(f"{folder}: no such folder; make it first, or write -o {folder}/ to have it made")


@cache
def _refuse_missing_bucket(scheme: str, bucket: str) -> None:
    url = f"{scheme}://{bucket}"
    with _opened(url) as (store, _), suppress(PermissionError):  # a user who may not list may be allowed to write
        if not store.exists(bucket):
            raise ArgumentError(f"{url}: no such bucket; make it first")


def make_folder(folder: str) -> None:
    """Make a folder, if the store has folders: object stores have only names.

    Raises:
        ArgumentError: its bucket is not there.
    """
    if scheme_of(folder) in _WHOLE_AT_ONCE:
        refuse_missing(folder)
        return
    with _opened(folder) as (store, key):
        store.makedirs(key, exist_ok=True)


def read(url: str) -> bytes:
    """Return the content of an object."""
    with _opened(url) as (store, key):
        content: bytes = store.cat_file(key)
    return content


def read_all(folder: str, suffix: str) -> list[bytes]:
    """Return the contents of all objects of a folder whose names end so; a folder that is not there has none."""
    with _opened(folder) as (store, key):
        try:
            names = [name for name in store.ls(key, detail=False) if name.endswith(suffix)]
        except FileNotFoundError:
            return []
        # A list may vanish meanwhile, and is then skipped.
        contents = store.cat(names, on_error="omit") if names else {}
    return [contents[name] for name in sorted(contents)]


def write(url: str, content: bytes) -> None:
    """Write a small object in one put; where there are folders, its own is made."""
    with _opened(url) as (store, key):
        if scheme_of(url) not in _WHOLE_AT_ONCE:
            store.makedirs(folder_of(key), exist_ok=True)
        store.pipe_file(key, content)


def fetch(url: str, path: str) -> None:
    """Copy an object into a file."""
    with _opened(url) as (store, key):
        store.get_file(key, path)


def put(path: str, url: str) -> None:
    """Copy a file to an object, which appears whole or not at all."""
    scheme = scheme_of(url)
    with _opened(url) as (store, key):
        if scheme == "memory":  # whose files grow as they are written
            with open(path, "rb") as file:
                store.pipe_file(key, file.read())
        elif scheme in _WHOLE_AT_ONCE:
            store.put_file(path, key)
        else:
            unfinished = f"{folder_of(key)}/.{random_name()}"
            store.put_file(path, unfinished)
            store.mv(unfinished, key)


def same_content(url: str, path: str) -> bool:
    """Return whether an object and a file have the same content."""
    with _opened(url) as (store, key), open(path, "rb") as file, store.open(key, "rb") as other:
        while True:
            block = file.read(1 << 20)
            if block != other.read(len(block) or 1):
                return False
            if not block:
                return True


def _listing(folder: str) -> dict[str, Seen]:
    with _opened(folder) as (store, key):
        try:
            infos = store.ls(key, detail=True)
        except FileNotFoundError:
            return {}
    return {place(_url(folder, info["name"])): _seen(info) for info in infos if info.get("type") != "directory"}


def _seen(info: dict[str, Any]) -> Seen:
    tag = next((info[name] for name in (*_TAGS, "created") if info.get(name)), "")
    # Listings give the seconds where the answer to a question is a date, in some stores.
    tag = tag.timestamp() if hasattr(tag, "timestamp") else tag
    return Seen(int(info.get("size") or 0), str(tag))


def _url(like: str, name: str) -> str:
    """Return the URL of an object that a store lists beside or below one whose URL is known."""
    if is_url(name):
        return name
    known = like.rstrip("/")
    key = str(_class(scheme_of(like))._strip_protocol(like)).rstrip("/")
    # The user and the server, if any, are between the scheme and the name.
    return f"{known.removesuffix(key) if known.endswith(key) else f'{scheme_of(like)}://'}{name}"


@contextmanager
def _opened(url: str) -> Iterator[tuple[Any, str]]:
    """Give the store of a URL, and the name that it has there; turn whatever the store raises into one line.

    The libraries of stores promise no classes of errors.
    """
    scheme = scheme_of(url)
    found = _class(scheme)
    try:
        if found is WebStore:
            yield WebStore(), url
            return
        from fsspec import filesystem

        # A server, its port and a user are part of the URL.
        options = found._get_kwargs_from_urls(url) | _settings(scheme)
        yield filesystem(scheme, **options), str(found._strip_protocol(url))
    except CnncliError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{url}: no such file") from error
    except PermissionError as error:
        raise ImageError(f"{url}: permission denied: {_reason(error)}") from error
    except IsADirectoryError as error:
        raise ImageError(f"{url}: is a folder, not a file") from error
    except Exception as error:
        raise ImageError(f"{url}: {_reason(error)}") from error


@cache
def _settings(scheme: str) -> dict[str, Any]:
    """Return the options of a store: no caches of listings, and shorter timeouts than the libraries' own."""
    if scheme in ("sftp", "ssh"):  # remembers nothing, and has no word for it
        return {"timeout": SILENCE, "banner_timeout": SILENCE, "auth_timeout": SILENCE}
    settings: dict[str, Any] = {"use_listings_cache": False}  # they would hide what others do meanwhile
    return settings | ({"timeout": SILENCE} if scheme == "ftp" else {})


@cache
def _class(scheme: str) -> Any:
    if scheme in ("http", "https"):
        return WebStore
    try:
        from fsspec import get_filesystem_class
    except ImportError as error:
        raise ArgumentError(f"{scheme}:// names are read and written with fsspec, which is missing: {EXTRA}") from error
    try:
        return get_filesystem_class(scheme)
    except ImportError as error:
        way = EXTRA if scheme in _IN_BUCKETS else printable(str(error))
        raise ArgumentError(f"{scheme}:// needs a package that is missing: {way}") from error
    except ValueError as error:
        raise ArgumentError(
            f"{scheme}:// is not a kind of URL that fsspec knows, such as s3://, gs:// and file:// "
            f"(and ./{scheme}:// is a path)"
        ) from error


_LONGEST = 300  # the most letters of a library's message that are passed on; some quote what a server sent


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"the server was silent for {SILENCE} s"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return printable(os.fspath(text)[:_LONGEST]) or type(error).__name__
