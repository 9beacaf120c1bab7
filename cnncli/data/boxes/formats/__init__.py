"""The kinds of files of boxes; to add one, write its module and enter it in `BOX_FORMATS`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.formats import coco, lines, table, voc, yolo
from cnncli.data.boxes.labels import LabelledBoxes, Labels
from cnncli.data.boxes.tree import Tree


class BoxFormat(NamedTuple):
    """A kind of files of boxes.

    Attributes:
        about: the files that it consists of, for people.
        ending: the suffix of its files.
        text: yields the text of a file with the boxes of some pictures, whose paths are written as their names; of one
            picture where each has a file of its own. Takes the pictures and the names of classes.
        place: returns the file of a picture's boxes by the picture's name; None where one file holds all pictures.
        beside: returns the files that name the classes, by their names; None without such.
        lacks: what it does not hold: of boxes, names in `LOSSES`; `classes`, a list of them; `size`, that of pictures.
        find: returns its files among those of a data set, by part; none where there are none. None where it is only
            written.
        read: reads some of them, with a limit of bytes, or raises a `DataError` where nothing can be read.
    """

    about: str
    ending: str
    text: Callable[[Iterable[LabelledBoxes], Sequence[str]], Iterator[str]]
    place: Callable[[str], str] | None = None
    beside: Callable[[Sequence[str]], Mapping[str, str]] | None = None
    lacks: tuple[str, ...] = ()
    find: Callable[[Tree], dict[str, list[str]]] | None = None
    read: Callable[[Tree, Sequence[str], Faults, int], Labels] | None = None


BOX_FORMATS: dict[str, BoxFormat] = {
    "coco": BoxFormat("COCO's .json with images and annotations", ".json", coco.text, find=coco.find, read=coco.read),
    "voc": BoxFormat(
        "Pascal VOC's .xml, one for each picture",
        ".xml",
        voc.text,
        place=voc.place,
        lacks=("area", "classes"),
        find=voc.find,
        read=voc.read,
    ),
    "csv": BoxFormat(
        "a .csv with the header file,class,x,y,width,height",
        ".csv",
        table.text,
        lacks=("area", "classes", "size"),
        find=table.find,
        read=table.read,
    ),
    "yolo": BoxFormat(
        "YOLO's .txt, one for each picture",
        ".txt",
        yolo.text,
        place=yolo.place,
        beside=yolo.beside,
        lacks=("area", "crowd"),
        find=yolo.find,
        read=yolo.read,
    ),
    "jsonl": BoxFormat("JSON lines, one for each picture", ".jsonl", lines.text, lacks=("area", "classes")),
}
"""The kinds of files of boxes; the first that is found is taken."""
