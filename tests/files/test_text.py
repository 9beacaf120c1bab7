"""Text that is safe to print, and JSON that every parser takes."""

import base64
import csv
import io
import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.files.text import csv_text, json_text, printable

NAMES = st.binary(max_size=30).map(lambda name: name.decode(errors="surrogateescape")) | st.text(
    st.characters(exclude_categories=())
)


@given(NAMES)
def test_what_is_printed_stands_on_one_line_and_moves_nothing(name):
    shown = printable(name)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode()


@pytest.mark.parametrize("name", ["größe.png", "照片.png", "a  b.png", r"C:\photos", "🦀.png", ""])
def test_ordinary_names_stay_as_they_are(name):
    assert printable(name) == name


@pytest.mark.parametrize(
    "name", ["\x1b[2J", "\x1b]0;title\x07", "\x9b2J", "a\nb", "a\r", "\u202egnp.a", "\u2028", "\udcff"]
)
def test_what_a_terminal_obeys_is_written_out(name):
    assert printable(name).startswith(("\\", "a\\"))


@given(st.binary(min_size=1, max_size=30))
def test_a_name_of_any_bytes_comes_back_from_json(raw):
    fields = json.loads(json_text({"input": os.fsdecode(raw)}))
    fields["input"].encode()  # no half of a letter, which strict parsers refuse
    if "input_base64" in fields:
        assert base64.b64decode(fields["input_base64"]) == raw
    else:
        assert os.fsencode(fields["input"]) == raw


@given(st.recursive(NAMES | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=8))
def test_any_value_is_one_line_of_strict_ascii_json(value):
    line = json_text(value)
    assert line.isascii()
    assert "\n" not in line
    assert "\\ud" not in line or json.loads(line) is not None
    json.dumps(json.loads(line, parse_constant=pytest.fail), ensure_ascii=False).encode()


def test_numbers_that_are_not_finite_become_null():
    assert json_text([math.nan, math.inf, 1.5, 2, None, True]) == "[null, null, 1.5, 2, null, true]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://ann:5ecret@host/a.jpg", "ftp://ann:***@host/a.jpg"),
        ("https://ann:se@cret@host/a", "https://ann:***@host/a"),
        ("https://5ecret@host/a", "https://***@host/a"),
        ("https://host/a?X-Amz-Signature=5ecret&X-Amz-Credential=5ecret%2F&v=3", None),
        ("https://host/a?v=3&sig=5ecret: no such file", "https://host/a?v=3&sig=***: no such file"),
        ("https://host/a?AWSAccessKeyId=5ecret&Signature=5ecret%3D", None),
        ("Client('https://ann:5ecret@host/x?token=5ecret') and ftp://b:5ecret@host/x: no", None),
    ],
)
def test_secrets_of_urls_are_struck_out(text, shown):
    for found in (printable(text), json_text({"input": text})):
        assert "5ecret" not in found
        assert "host" in found
    assert shown is None or printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "s3://photos/a@2x.png",
        "s3://photos/k:v@2x.png",
        "sftp://ann@host/a.jpg",
        "abfs://photos@account/a.jpg",
        "https://host:8080/a@b.jpg?v=3",
        "photos/ann:x@host/a.jpg?token=no-url",
    ],
)
def test_what_is_no_secret_is_shown(text):
    assert printable(text) == text


@given(st.lists(NAMES, min_size=1))
def test_a_table_keeps_its_rows_and_holds_nothing_that_a_terminal_obeys(names):
    text = csv_text(names)
    text.encode()
    (row,) = csv.reader(io.StringIO(text, newline=""))
    assert len(row) == len(names)
    for cell, name in zip(row, names, strict=True):
        assert all(map(_is_harmless, cell))
        if all(map(_is_harmless, name)):
            assert cell == name


def _is_harmless(letter):
    return letter.isprintable() or letter in "\r\n\t"


def test_csv_readers_get_names_back_exactly():
    names = ["two\nlines", "three\r\nlines", "return\r", 'a "b", c', " space ", "tab\t", "", "größe"]
    assert next(csv.reader(io.StringIO(csv_text(names), newline=""))) == names
