"""Web addresses: what arrives, redirects, and each thing that can go wrong."""

import datetime
import io
import ipaddress
import ssl

import pytest
from web_server import serving

from cnncli.files import web
from cnncli.files.web import WebStore, is_web, save


@pytest.fixture
def site():
    with serving() as (site, address):
        site.address = address
        yield site


def content_of(url):
    file = io.BytesIO()
    save(url, file)
    return file.getvalue()


@pytest.mark.parametrize("name", ["s3://a/b", "httpx://a", "./https://a", "https:/a", "a/https://b", ""])
def test_names_that_are_no_web_addresses(name):
    assert not is_web(name)
    assert is_web("HTTPS://host/a.jpg")


@pytest.mark.parametrize("size", [0, 1, 3 << 20])
def test_what_is_there_arrives(site, size):
    site.pages["/a.jpg"] = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert content_of(f"{site.address}/a.jpg") == site.pages["/a.jpg"]
    assert site.asked[0][1]["User-Agent"].startswith("cnncli/")


def test_a_query_is_sent_and_a_fragment_is_not(site):
    site.pages["/a.jpg"] = b"a"
    assert content_of(f"{site.address}/a.jpg?X-Amz-Signature=1%2F2&b=c d#here") == b"a"
    assert site.asked[0][0] == "/a.jpg?X-Amz-Signature=1%2F2&b=c%20d"


def test_letters_that_addresses_cannot_hold_are_written_as_they_must(site):
    site.pages["/gr%C3%B6%C3%9Fe%20.jpg"] = b"a"
    assert content_of(f"{site.address}/größe .jpg") == b"a"
    assert content_of(f"{site.address}/gr%C3%B6%C3%9Fe%20.jpg") == b"a"


def test_a_user_is_told_to_the_server_and_to_no_other_one(site):
    site.pages["/a.jpg"] = b"a"
    with serving() as (other, address):
        other.pages["/b.jpg"] = b"b"
        site.redirect("/on", f"{address}/b.jpg")
        with_user = site.address.replace("//", "//ann:5%40cret@")
        assert content_of(f"{with_user}/a.jpg") == b"a"
        assert site.asked[0][1]["Authorization"] == "Basic YW5uOjVAY3JldA=="
        assert content_of(f"{with_user}/on") == b"b"
        assert "Authorization" not in other.asked[0][1]


def test_facts_without_the_content(site):
    site.pages["/a.jpg"] = b"12345"
    site.headers = {"ETag": '"abc"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    expected = {"size": 5, "ETag": '"abc"', "LastModified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    assert WebStore().info(f"{site.address}/a.jpg") == expected


def test_a_server_may_redirect_within_the_web(site, tmp_path):
    site.pages["/a.jpg"] = b"a"
    site.redirect("/on", "/further")
    site.redirect("/further", f"{site.address}/a.jpg")
    assert content_of(f"{site.address}/on") == b"a"
    site.redirect("/round", "/round")
    (tmp_path / "secret").write_text("secret")
    for number, to in enumerate((f"file://{tmp_path}/secret", "ftp://127.0.0.1/a", "data:,a")):
        site.redirect(f"/out{number}", to)
    for path in ("/round", "/out0", "/out1", "/out2"):
        with pytest.raises(OSError, match="redirects too often, or to something other than a web address"):
            content_of(f"{site.address}{path}")


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (404, FileNotFoundError, "404 Not Found"),
        (410, FileNotFoundError, "410 Gone"),
        (401, PermissionError, "401 Unauthorized"),
        (403, PermissionError, "403 Forbidden"),
        (429, OSError, "the server answers 429 Too Many Requests"),
        (500, OSError, "the server answers 500 Internal Server Error"),
    ],
)
def test_answers_that_are_no_files(site, code, kind, message):
    site.status("/a.jpg", code)
    with pytest.raises(OSError, match=message) as caught:
        content_of(f"{site.address}/a.jpg")
    assert type(caught.value) is kind


def test_what_does_not_arrive_whole(site):
    site.stated("/a.jpg", 1000, b"x" * 100)
    with pytest.raises(OSError, match="the connection closed after 100 of 1,000 bytes"):
        content_of(f"{site.address}/a.jpg")

    def cut(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nabc")

    site.pages["/b.jpg"] = cut
    with pytest.raises(OSError, match="the connection closed before the end of the file"):
        content_of(f"{site.address}/b.jpg")


def test_what_is_too_large_whether_it_says_so_or_not(site, monkeypatch):
    monkeypatch.setattr(web, "LARGEST", 1000)
    site.stated("/a.jpg", 10**14, b"x")
    with pytest.raises(OSError, match=r"is 100,000,000,000,000 bytes, and 1,000 at most are read from a web address"):
        content_of(f"{site.address}/a.jpg")

    def endless(handler):
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(4 << 20))

    site.pages["/b.jpg"] = endless
    file = io.BytesIO()
    with pytest.raises(OSError, match="and 1,000 at most"):
        save(f"{site.address}/b.jpg", file)
    assert file.getvalue() == b""


def test_a_silent_server_is_not_waited_for(site, monkeypatch):
    monkeypatch.setattr(web, "SILENCE", 0.05)
    site.silent("/a.jpg")
    with pytest.raises(TimeoutError):
        content_of(f"{site.address}/a.jpg")


def test_what_answers_in_another_way(site):
    site.pages["/a.jpg"] = lambda handler: handler.wfile.write(b"220 welcome\r\n\r\n")
    with pytest.raises(OSError, match="the answer is not HTTP: 220 welcome"):
        content_of(f"{site.address}/a.jpg")
    with pytest.raises(OSError, match=r"SSL|TLS|version"):
        content_of(f"{site.address.replace('http', 'https')}/a.jpg")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https:///a.jpg", "is not a valid web address: it names no server"),
        ("http://127.0.0.1:port/a.jpg", "is not a valid web address: nonnumeric port: 'port'"),
        ("http://[::1/a.jpg", "is not a valid web address: Invalid IPv6 URL"),
        (f"http://{'ä' * 80}.de/", "is not a valid web address"),
        ("http://127.0.0.1:1/a.jpg", "refused"),
    ],
)
def test_addresses_that_lead_nowhere(url, message):
    with pytest.raises(OSError, match=message):
        content_of(url)


@pytest.fixture
def certificate(tmp_path):
    """A certificate for this machine that nobody has signed, with its key in the same file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "certificate.pem"
    path.write_bytes(private + signed.public_bytes(pem))
    return path


@pytest.mark.parametrize("trusted", [True, False])
def test_https_and_certificates(certificate, monkeypatch, trusted):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    web._opener.cache_clear()  # it knows the certificates of its first use
    try:
        with serving(context) as (site, address):
            site.pages["/a.jpg"] = b"a"
            if trusted:
                assert content_of(f"{address}/a.jpg") == b"a"
            else:
                with pytest.raises(OSError, match=r"the server's certificate is not trusted: self.signed"):
                    content_of(f"{address}/a.jpg")
    finally:
        web._opener.cache_clear()
