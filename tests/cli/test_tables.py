"""Tables in every format: what is written can be read back, and nothing in a cell breaks out of it."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.cli.networks.tables import Column, Table, encodable, latex, markdown, plain, render

COLUMNS = (Column("layer", right=False), Column("params", dispensable=2), Column("share", right=False, dispensable=1))
words = st.text(max_size=12)
rows = st.lists(st.tuples(words, st.integers(0, 10**12), words).map(list), min_size=1, max_size=5)


@given(rows)
def test_every_row_is_one_line_of_one_width_at_most(cells):
    lines = plain(Table(COLUMNS, cells)).splitlines()
    assert len(lines) == len(cells) + 2
    assert all(len(line) <= len(lines[1]) for line in lines)
    assert all(line.isprintable() for line in lines)


@given(rows)
def test_csv_is_read_back(cells):
    written = render([Table(COLUMNS, cells)], "csv")
    read = list(csv.reader(io.StringIO(written)))
    assert read[0] == ["layer", "params", "share"]
    assert [int(params) for _, params, _ in read[1:]] == [params for _, params, _ in cells]


@given(rows)
def test_markdown_rows_have_their_columns(cells):
    lines = markdown(Table(COLUMNS, cells)).splitlines()
    assert len(lines) == len(cells) + 2
    for line in lines:
        unescaped = re.sub(r"\\.", "", line)
        assert unescaped.count("|") == len(COLUMNS) + 1


@given(rows)
def test_latex_has_nothing_but_ascii_and_escapes(cells):
    text = latex(Table(COLUMNS, cells))
    assert text.isascii()
    body = text.split(r"\endhead")[1].split(r"\hline")[0].strip().splitlines()
    assert len(body) == len(cells)
    assert all(len(re.findall(r"(?<!\\)&", line)) == len(COLUMNS) - 1 for line in body)
    assert not any(re.search(r"(?<!\\)[%$#_]", line) for line in body)


def test_numbers_are_grouped_for_people_and_plain_for_programs():
    table = Table(COLUMNS, [["conv", 1234567, ""]], ["total", 1234567, ""])
    for format_name in ("table", "markdown", "latex"):
        assert render([table], format_name).count("1,234,567") == 2
    assert render([table], "csv").count("1234567") == 2


@pytest.mark.parametrize(
    ("width", "shown"), [(40, ["layer", "params", "share"]), (18, ["layer", "share"]), (9, ["layer"])]
)
def test_a_narrow_terminal_loses_the_least_needed_columns(width, shown):
    table = Table(COLUMNS, [["conv3-64", 1792, "12 %"]], ["total", 1792, ""])
    lines = plain(table, width).splitlines()
    assert lines[0].split() == shown
    assert all(len(line) <= width for line in lines)


def test_what_is_still_too_long_is_cut_with_a_sign():
    lines = plain(Table([Column("layer", right=False), Column("n")], [["conv3-64,same,bn,relu", 7]]), 14).splitlines()
    assert lines[2] == "conv3-64,s…  7"


def test_an_indent_is_shown_in_every_format():
    table = Table([Column("layer", right=False)], [["\t\tconv"]])
    assert plain(table).splitlines()[2] == "    conv"
    assert "&emsp;&emsp;conv" in markdown(table)
    assert r"\quad \quad conv" in latex(table)
    assert render([table], "csv") == "layer\nconv"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", None])
def test_any_terminal_can_write_it(encoding):
    text = encodable("├─ conv ███▌ é中", encoding)
    assert "conv" in text
    text.encode(encoding or "utf-8")


def test_a_table_of_many_layers_is_summed_once(monkeypatch):
    from cnncli import parse_network
    from cnncli.cli.networks.counted import Counted
    from cnncli.cli.networks.layers import COLUMNS, layer_table

    asked = []
    total = Counted.total
    monkeypatch.setattr(Counted, "total", lambda counted, name: asked.append(name) or total(counted, name))
    counted = Counted.of(parse_network("6x6x3 100xconv1-3").summary())
    assert len(layer_table(counted, list(COLUMNS), drawn=True).rows) == 100
    assert len(asked) < 10
