"""The kinds of files of boxes; to add one, write its module and enter it in `BOX_FORMATS`."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cnncli.data.boxes import voc
from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.labels import Labels
from cnncli.data.boxes.tree import Tree


class BoxFormat(NamedTuple):
    """A kind of files of boxes.

    Attributes:
        about: the files that it consists of, for people.
        find: returns its files among those of a data set, by part; none where there are none.
        read: reads some of them, or raises a `DataError` where nothing can be read.
    """

    about: str
    find: Callable[[Tree], dict[str, list[str]]]
    read: Callable[[Tree, Sequence[str], Faults, int], Labels]


BOX_FORMATS: dict[str, BoxFormat] = {
    "voc": BoxFormat("Pascal VOC's XML files, a picture each", voc.find, voc.read),
}
"""The kinds of files of boxes; the first that is found is taken."""
