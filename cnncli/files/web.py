"""Web addresses, read with the standard library: one file each, without listings or globs, and never written.

Errors are those of files, an `OSError` with the reason as its text: `FileNotFoundError`, `PermissionError`,
`TimeoutError` or another.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector, Request

SILENCE = 15  # seconds for which a server may be silent
LARGEST = 2 << 30  # bytes: a server may send for ever
_WEB = re.compile(r"https?://", re.IGNORECASE)
_GONE, _REFUSED = (404, 410), (401, 403, 407)
_ASTRAY = "redirects too often, or to something other than a web address"
_BLOCK = 1 << 20
_AS_THEY_ARE = "%/:=&~+!$,;'@()*[]?"  # letters of a path and a query that mean something there


def is_web(name: str) -> bool:
    """Return whether a name is a web address.

    Example:
        >>> is_web("https://host/a.jpg"), is_web("s3://photos/a.jpg"), is_web("./https://host/a.jpg")
        (True, False, False)
    """
    return _WEB.match(name) is not None


def save(url: str, file: BinaryIO) -> None:
    """Copy the file at an address into another, piece by piece.

    Raises:
        OSError: it is not there, larger than `LARGEST`, or did not arrive whole.
    """
    with _answer(url) as answer:
        stated, arrived = _stated_size(answer), 0
        if stated > LARGEST:
            raise OSError(_too_large(stated))
        while block := answer.read(_BLOCK):
            arrived += len(block)
            if arrived > LARGEST:
                raise OSError(_too_large(arrived))
            file.write(block)
    if arrived < stated:
        raise OSError(f"the connection closed after {arrived:,} of {stated:,} bytes")


class WebStore:
    """The web as a store, with the names of fsspec's methods: those that read one file."""

    def info(self, url: str) -> dict[str, int | str | None]:
        """Return the size, and the ETag and the time of the last change, of a file.

        It is asked for and not read: some servers, and signatures in addresses, refuse the question alone (HEAD).
        """
        with _answer(url) as answer:
            headers = answer.headers
            return {"size": _stated_size(answer), "ETag": headers["ETag"], "LastModified": headers["Last-Modified"]}

    def isdir(self, url: str) -> bool:
        """Return False: a web server does not say what is below an address."""
        return False

    def cat_file(self, url: str) -> bytes:
        """Return the content of a file."""
        content = BytesIO()
        save(url, content)
        return content.getvalue()

    def get_file(self, url: str, path: str) -> None:
        """Copy a file to this machine."""
        with open(path, "wb") as file:
            save(url, file)


def _stated_size(answer: "HTTPResponse") -> int:
    stated = answer.headers["Content-Length"] or ""
    return int(stated) if stated.isdecimal() else 0


def _too_large(size: int) -> str:
    return f"is {size:,} bytes, and {LARGEST:,} at most are read from a web address: copy it to this machine first"


@contextmanager
def _answer(url: str) -> Iterator["HTTPResponse"]:
    """Yield the answer to a request, with its content still to be read."""
    from http.client import HTTPException, IncompleteRead, InvalidURL
    from urllib.error import HTTPError, URLError

    try:
        with _opener().open(_request(url), timeout=SILENCE) as answer:
            yield answer
    except HTTPError as error:
        error.close()
        raise _refusal(error.code, error.reason) from error
    except URLError as error:
        raise _unanswered(error.reason) from error
    except (InvalidURL, ValueError) as error:
        raise OSError(f"is not a valid web address: {error}") from error
    except IncompleteRead as error:
        raise OSError("the connection closed before the end of the file") from error
    except HTTPException as error:
        raise OSError(f"the answer is not HTTP: {error}") from error


def _refusal(code: int, reason: str) -> OSError:
    if code in _GONE:
        return FileNotFoundError(f"{code} {reason}")
    if code in _REFUSED:
        return PermissionError(f"{code} {reason}")
    if 300 <= code < 400:
        return OSError(_ASTRAY)
    return OSError(f"the server answers {code} {reason}")


def _unanswered(reason: str | BaseException) -> OSError:
    """Return the reason for which there was no answer: an error, or a word on another kind of address."""
    if untrusted := getattr(reason, "verify_message", None):
        return OSError(f"the server's certificate is not trusted: {untrusted}")
    return reason if isinstance(reason, OSError) else OSError(_ASTRAY)


def _request(url: str) -> "Request":
    """Return a request. A user and a password are for this server alone: they do not follow redirects."""
    from urllib.parse import quote, unquote, urlsplit, urlunsplit
    from urllib.request import Request

    parts = urlsplit(url)
    user, _, server = parts.netloc.rpartition("@")
    if not parts.hostname:
        raise ValueError("it names no server")
    path, query = (quote(text, safe=_AS_THEY_ARE, errors="surrogateescape") for text in (parts.path, parts.query))
    server = server if server.isascii() else server.encode("idna").decode()
    request = Request(urlunsplit((parts.scheme, server, path, query, "")))
    if user:
        from base64 import b64encode

        request.add_unredirected_header("Authorization", f"Basic {b64encode(unquote(user).encode()).decode()}")
    return request


@cache
def _opener() -> "OpenerDirector":
    """Return an opener of web addresses alone, wherever a server may redirect."""
    from urllib import request

    from cnncli.version import __version__  # 8 ms: the packages of this environment are looked through

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.UnknownHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    opener.addheaders = [("User-Agent", f"cnncli/{__version__}"), ("Accept", "*/*")]
    return opener
