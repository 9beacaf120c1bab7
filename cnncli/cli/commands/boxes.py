"""`cnncli boxes`: the arithmetic of boxes, and their files."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cnncli.choices import LABEL_KINDS
from cnncli.cli.options import TakesNumbers, choice, parse_number, parsed
from cnncli.cli.training.options import Quiet
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD
from cnncli.files.text import json_text, number_text, printable

EXAMPLES = """Examples:

cnncli boxes iou 10,10,30,30 20,20,40,40 --explain

cnncli boxes nms found.csv --explain

cnncli boxes convert cells/ cells.json
"""

_IOU_EXAMPLES = """Examples:

cnncli boxes iou 10,10,30,30 20,20,40,40 --explain

cnncli boxes iou 10,10,40,40 20,20,60,60 --corners
"""

_NMS_EXAMPLES = """Examples:

cnncli boxes nms found.csv > kept.csv

cnncli boxes nms found.csv --threshold 0.4 --explain
"""


_CONVERT_EXAMPLES = """Examples:

cnncli boxes convert cells/ cells.json

cnncli boxes convert instances.json labels.csv

cnncli boxes convert cells.json cells/ --format yolo
"""

BOX_KINDS = LABEL_KINDS[1:]
"""The kinds of label files that are written: those of `BOX_FORMATS`."""

_Kind: Any = choice("BoxKind", BOX_KINDS)


def boxes(context: typer.Context) -> None:
    """Compute overlaps of boxes, suppress boxes that overlap a better one, and convert label files.

    A box is x, y, width and height in pixels; 0,0 is the top left corner of the picture.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def iou(
    first: Annotated[str, typer.Argument(metavar="A", help="A box: x,y,width,height.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another box.")],
    corners: Annotated[bool, typer.Option("--corners", help="Boxes are left,top,right,bottom.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Draw both boxes and show each step.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the IoU of two boxes: the area that they share, divided by the area that they cover together."""
    one, other = (_box(text, as_corners=corners) for text in (first, second))
    from cnncli.data.boxes.explaining import overlap_facts, overlap_lines

    facts = overlap_facts(one, other)
    if as_json:
        print(json_text(facts))
    elif explain:
        print(*overlap_lines(one, other), sep="\n")
    else:
        print(number_text(facts["iou"]))


def nms(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV with a header, or JSON lines, of class,score,x,y,width,height, and file for several pictures; - "
            "for standard input.",
        ),
    ],
    threshold: Annotated[
        str,
        typer.Option(metavar="T", callback=parsed(parse_number), help="IoU above which the lower score is dropped."),
    ] = "0.5",
    corners: Annotated[bool, typer.Option("--corners", help="Boxes are left,top,right,bottom.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each box is kept or dropped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each box, one per line.")] = False,
) -> None:
    """Print the boxes that non-maximum suppression keeps, the best first, in the form of the file.

    From the best score down, a box is kept unless its IoU with a box of its class that was kept is above the threshold.
    """
    from cnncli.data.boxes.explaining import suppression_facts, suppression_lines
    from cnncli.data.boxes.scored import parse_scored

    level: Any = threshold  # a number by now
    name = "standard input" if file == STANDARD else file
    found = parse_scored(_text(file), name, as_corners=corners)
    kept = found.kept(level).tolist()
    lines: Iterator[str]
    if as_json:
        lines = map(json_text, suppression_facts(found, level) if explain else map(found.facts, kept))
    else:
        lines = suppression_lines(found, level) if explain else found.lines(kept)
    for line in lines:
        print(line)


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FROM",
            help="Labels in COCO JSON, Pascal VOC XML, YOLO text or CSV: a file, or a folder with images and labels.",
        ),
    ],
    output: Annotated[
        str,
        typer.Argument(
            metavar="TO",
            help="A file, whose suffix says its kind (.json for COCO, .csv, .jsonl); or a folder, with --format. Paths "
            "of images stay relative to the data.",
        ),
    ],
    kind: Annotated[_Kind | None, typer.Option("--format", help="Kind of the label files to write.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse labels with any fault.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing label files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write label files as another kind; images stay where they are.

    Whatever is left out or changed on the way, and what the new files cannot hold, is said in a line each.
    """
    from cnncli.data import Reading
    from cnncli.data.boxes.converting import convert_boxes

    done = convert_boxes(source, output, kind and str(kind), reading=Reading(strict=strict), replace=force)
    if not quiet:
        for finding in done.findings:
            print(printable(f"cnncli: {finding.message}"), file=sys.stderr)
        boxes = f"{done.boxes:,} box{'es' * (done.boxes != 1)}"
        images = f"{done.pictures:,} image{'s' * (done.pictures != 1)}"
        print(printable(f"{source} -> {output}: {boxes} of {images}"), file=sys.stderr)
    if as_json:
        findings = [finding._asdict() for finding in done.findings]
        print(json_text({"input": source, "output": output} | done._asdict() | {"findings": findings}))


def _text(file: str) -> str:
    """Return the text of a file or of standard input."""
    if file != STANDARD:
        from cnncli.data.boxes.texts import read_text

        return read_text(file, _LARGEST)
    if sys.stdin is None:
        raise ArgumentError("standard input is closed: name a file")
    return sys.stdin.buffer.read().decode("utf-8-sig", "surrogateescape")


_LARGEST = 256 << 20  # bytes of a file: of millions of boxes


def _box(text: str, *, as_corners: bool) -> list[float]:
    """Return a box that was written as four numbers."""
    form = "left,top,right,bottom" if as_corners else "x,y,width,height"
    words = text.strip().split(",")
    if len(words) != 4:
        raise ArgumentError(f"a box is {form}, such as 10,10,30,30; got {text.strip()!r}")
    x, y, *sides = (
        parse_number(word, f"{name} of the box {text.strip()}")
        for word, name in zip(words, form.split(","), strict=True)
    )
    width, height = (sides[0] - x, sides[1] - y) if as_corners else sides
    if min(width, height) < 0:
        raise ArgumentError(
            f"the box {text.strip()} is {form}: its width is {width:g} and its height {height:g}; both must be from 0"
        )
    return [x, y, width, height]


SUBCOMMANDS: dict[Any, dict[str, Any]] = {
    iou: {"epilog": _IOU_EXAMPLES, "cls": TakesNumbers},
    nms: {"epilog": _NMS_EXAMPLES},
    convert: {"epilog": _CONVERT_EXAMPLES},
}
"""The commands of the group, and what Typer is told of each."""
