"""Tables as text: for a terminal, Markdown, LaTeX and CSV.

Of our own, and small: the libraries that draw tables take 40 to 70 ms to load, several times the rest of a command.
"""

from collections.abc import Callable, Sequence

from cnncli.files.text import printable
from cnncli.values import Value

Cell = str | int | None

GAP = "  "


class Column(Value):
    """A column of a table.

    Attributes:
        title: its heading.
        right: whether its cells stand at its right edge, as numbers do.
        dispensable: on a terminal that is too narrow the columns with the largest number go first; 0 stays.
    """

    title: str
    right: bool = True
    dispensable: int = 0


class Table(Value):
    """Rows of cells; integers are written with separators of thousands, except in CSV.

    A cell that begins with tabs is indented by as many steps.

    Attributes:
        columns: names of the columns.
        rows: one cell for each column.
        totals: a last row, set apart; empty for none.
        caption: a line above.
        notes: lines below.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[Cell] = ()
    caption: str = ""
    notes: Sequence[str] = ()

    @property
    def all_rows(self) -> list[Sequence[Cell]]:
        """The rows, and the totals if there are any."""
        return [*self.rows, *([self.totals] if self.totals else [])]


def plain(table: Table, width: int | None = None) -> str:
    """Draw a table for a terminal; dispensable columns make room where a line may have `width` characters only.

    Example:
        >>> print(plain(Table([Column("layer", right=False), Column("params")], [["conv3-64", 1792]], ["total", 1792])))
        layer     params
        ────────────────
        conv3-64   1,792
        ────────────────
        total      1,792
    """
    shown, rows = list(table.columns), _text_rows(table)
    if width is not None:
        shown, rows = _fitted(shown, rows, width)
    widths = _widths(rows)
    if width is not None and _line_width(widths) > width:  # what is still too long is cut in the first column
        widths[0] = max(min(widths[0], 8), widths[0] - (_line_width(widths) - width))
        rows = [[cut(cells[0], widths[0]), *cells[1:]] for cells in rows]
    rule = "─" * _line_width(widths)
    pattern = GAP.join(f"%{'' if column.right else '-'}{cell}s" for column, cell in zip(shown, widths, strict=True))
    lines = [(pattern % tuple(cells)).rstrip() for cells in rows]
    lines.insert(1, rule)
    if table.totals:
        lines.insert(-1, rule)
    return "\n".join([*([printable(table.caption)] if table.caption else []), *lines, *map(printable, table.notes)])


def natural_width(table: Table) -> int:
    """Return the characters of a line of a table that nothing is left out of.

    Example:
        >>> natural_width(Table([Column("layer"), Column("params")], [["conv3-64", 1792]]))
        16
    """
    return _line_width(_widths(_text_rows(table)))


def _text_rows(table: Table) -> list[list[str]]:
    """Return the heading, the rows and the totals as texts."""
    return [list(map(_text, cells)) for cells in ([column.title for column in table.columns], *table.all_rows)]


def _fitted(columns: list[Column], rows: list[list[str]], width: int) -> tuple[list[Column], list[list[str]]]:
    """Leave out dispensable columns until a table fits."""
    while _line_width(_widths(rows)) > width and (most := max(column.dispensable for column in columns)):
        place = [column.dispensable for column in columns].index(most)
        columns = [*columns[:place], *columns[place + 1 :]]
        rows = [[*cells[:place], *cells[place + 1 :]] for cells in rows]
    return columns, rows


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(map(len, cells)) for cells in zip(*rows, strict=True)]


def _line_width(widths: list[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def cut(text: str, width: int) -> str:
    """Return a text cut to a number of characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _text(cell: Cell) -> str:
    if not isinstance(cell, str):
        return "" if cell is None else f"{cell:,}"
    if cell.isprintable():
        return cell
    steps, text = _indent(cell)
    return "  " * steps + printable(text)


def _indent(cell: str) -> tuple[int, str]:
    text = cell.lstrip("\t")
    return len(cell) - len(text), text


def markdown(table: Table) -> str:
    """Write a table as GitHub's Markdown.

    Example:
        >>> print(markdown(Table([Column("layer", right=False), Column("params")], [["conv3-64", 1792]])))
        | layer | params |
        | :--- | ---: |
        | conv3-64 | 1,792 |
    """
    lines = [_markdown_line([column.title for column in table.columns])]
    lines.append(f"| {' | '.join('---:' if column.right else ':---' for column in table.columns)} |")
    lines += map(_markdown_line, table.all_rows)
    caption = [f"**{_markdown_text(table.caption)}**", ""] if table.caption else []
    notes = [line for note in table.notes for line in ("", _markdown_text(note))]
    return "\n".join([*caption, *lines, *notes])


def _markdown_line(cells: Sequence[Cell]) -> str:
    return f"| {' | '.join(map(_markdown_text, cells))} |"


def _markdown_text(cell: Cell) -> str:
    steps, text = _indent(cell) if isinstance(cell, str) else (0, _text(cell))
    escaped = "".join("\\" + letter if letter in r"\|*_`<[]#" else letter for letter in printable(text))
    return "&emsp;" * steps + escaped


_LATEX = {
    **{letter: "\\" + letter for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after the end of a row, [ would begin an option
    "]": "{]}",
    "*": "{*}",
}

LATEX_DOCUMENT = r"""\documentclass[a4paper,landscape]{article}
\usepackage[T1]{fontenc}
\usepackage[margin=15mm]{geometry}
\usepackage{longtable}
\setlength{\parindent}{0pt}
\begin{document}
\footnotesize
%s
\end{document}"""


def latex(table: Table) -> str:
    r"""Write a table as LaTeX's longtable, which goes on over several pages.

    Example:
        >>> print(latex(Table([Column("layer", right=False), Column("params")], [["conv3-64", 1792]])))
        \begin{longtable}{lr}
        \hline
        layer & params \\
        \hline
        \endhead
        conv3-64 & 1,792 \\
        \hline
        \end{longtable}
    """
    kinds = "".join("r" if column.right else "l" for column in table.columns)
    lines = [rf"\begin{{longtable}}{{{kinds}}}", r"\hline", _latex_line([column.title for column in table.columns])]
    lines += [r"\hline", r"\endhead", *map(_latex_line, table.rows), r"\hline"]
    if table.totals:
        lines += [_latex_line(table.totals), r"\hline"]
    caption = [rf"\textbf{{{_latex_text(table.caption)}}}", ""] if table.caption else []
    notes = [line for note in table.notes for line in (_latex_text(note), "")]
    return "\n".join([*caption, *lines, r"\end{longtable}", *notes])


def _latex_line(cells: Sequence[Cell]) -> str:
    return " & ".join(map(_latex_text, cells)) + r" \\"


def _latex_text(cell: Cell) -> str:
    steps, text = _indent(cell) if isinstance(cell, str) else (0, _text(cell))
    plain_letters = printable(text).encode("ascii", "backslashreplace").decode()
    return r"\quad " * steps + "".join(_LATEX.get(letter, letter) for letter in plain_letters)


def comma_separated(tables: Sequence[Table]) -> str:
    r"""Write the rows and totals of tables with the same columns as one CSV, integers without separators.

    Example:
        >>> comma_separated([Table([Column("layer"), Column("params")], [["conv3-64,same", 1792]])])
        'layer,params\n"conv3-64,same",1792'
    """
    import csv
    import io

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(column.title for column in tables[0].columns)
    for table in tables:
        for cells in table.all_rows:
            writer.writerow(printable(cell.lstrip("\t")) if isinstance(cell, str) else cell for cell in cells)
    return file.getvalue().rstrip("\n")


def render(tables: Sequence[Table], format_name: str, width: int | None = None) -> str:
    """Write tables, one below the other, in one of `FORMATS`; `width` is that of a terminal's line, None for any."""
    if format_name == "csv":
        return comma_separated(tables)
    if format_name == "latex":
        return LATEX_DOCUMENT % "\n\\bigskip\n".join(map(latex, tables))
    draw: Callable[[Table], str] = markdown if format_name == "markdown" else lambda table: plain(table, width)
    return "\n\n".join(map(draw, tables))


FORMATS = ("table", "json", "csv", "markdown", "latex")
"""The formats of the commands that print tables; JSON is written from the facts, not from a table."""


def encodable(text: str, encoding: str | None) -> str:
    """Return a text with letters that an encoding has, lines and bars drawn in ASCII where it has no others.

    Example:
        >>> encodable("├─ 1", "ascii")
        '+- 1'
    """
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        ascii_letters = str.maketrans("─│├└█▉▊▋▌▍▎▏…", "-|++########.")
        return text.translate(ascii_letters).encode(encoding or "utf-8", "backslashreplace").decode(encoding or "utf-8")
    return text
