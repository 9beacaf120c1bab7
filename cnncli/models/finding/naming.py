"""The names of what is written of pictures with objects: themselves with boxes, and files of labels."""

import os

from cnncli.batch.inputs import Input
from cnncli.batch.naming import TEMPLATE_FIELDS, OutputRule
from cnncli.images.formats import find_format, is_format


class BoxRule(OutputRule):
    """A rule that names what is written of each picture: itself with its boxes, and the file of its labels.

    Pictures are named as those of filters, with the suffix of the input where that means a picture in colours.

    Args:
        target: where pictures go, as in `OutputRule`; None for none.
        label_folder: where files of labels go, below it as the inputs are below the folder that was searched; None for
            none.
        ending: of files of labels.

    Example:
        >>> rule = BoxRule("out/", "labels", ".txt")
        >>> rule.outputs(Input("a.jpg", "a.jpg")), rule.outputs(Input("a.npy", "a.npy"))[0]
        (('out/a-boxes.jpg', 'labels/a.txt'), 'out/a-boxes.png')
    """

    known = (*TEMPLATE_FIELDS, "suffix")
    together = True

    def __init__(self, target: str | None, label_folder: str | None = None, ending: str = "") -> None:
        super().__init__(target, ("boxes",), "{suffix}")
        self.label_folder, self.ending = label_folder, ending
        self.makes_folders |= label_folder is not None

    def outputs(self, source: Input) -> tuple[str, ...]:
        names = () if self.target is None else super().outputs(source)
        pictures = tuple(name.replace("{suffix}", _suffix(source)) for name in names)
        if self.label_folder is None:
            return pictures
        return (*pictures, os.path.join(self.label_folder, os.path.splitext(source.below)[0] + self.ending))

    def fields_of(self, source: Input) -> list[dict[str, str]]:
        return [{"filter": "boxes", "suffix": _suffix(source)}]

    def renamed(self, target: str) -> "BoxRule":
        return BoxRule(target, self.label_folder, self.ending)


def _suffix(source: Input) -> str:
    """Return the suffix of an input's picture with boxes: its own, if that means a picture in colours."""
    suffix = os.path.splitext(source.below)[1]
    name = suffix.removeprefix(".")
    return suffix if is_format(name) and find_format(name).coloured else ".png"
