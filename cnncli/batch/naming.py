"""Names of outputs: a folder, a template, or beside the inputs; and templates that tell outputs of one name apart."""

import os
import re
from collections.abc import Iterator, Sequence
from string import Formatter

from cnncli.batch import objects
from cnncli.batch.inputs import Input
from cnncli.batch.objects import is_url, without_file_scheme, without_query, without_scheme
from cnncli.errors import ArgumentError
from cnncli.files.temporary import STANDARD
from cnncli.files.web import is_web

TEMPLATE_FIELDS = ("stem", "name", "ext", "parent", "below", "filter")
"""The fields of a template; `below` is an input's path below the folder that was searched, without its name."""


_UNSAFE = frozenset('/\\:*?"<>|')
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)\d) *", re.IGNORECASE)


class OutputRule:
    """A rule that names outputs.

    Attributes:
        known: the fields that a template may have.
        together: whether all outputs of an input are one result, with one report.

    Args:
        target: a file, a folder (one that exists, or a word that ends in `/`), a template with fields such as `{stem}`
            (of a name, or of a folder that ends in `/`), `-` for standard output, or None for `{stem}-{filter}` beside
            the input (from the web: in the current folder).
        labels: values of `{filter}`, one output for each.
        suffix: the ending of names that the rule makes up.

    Raises:
        ArgumentError: a template with fields that nothing fills.
    """

    known: tuple[str, ...] = TEMPLATE_FIELDS
    together = False

    def __init__(self, target: str | None, labels: tuple[str, ...], suffix: str = ".png") -> None:
        self.target = None if target is None else without_file_scheme(target)
        self.labels, self.suffix = labels, suffix
        word = self.target or ""
        self.is_template = "{" in word
        for_folders = self.is_template and word.endswith("/")
        if for_folders:
            self.target = word = f"{word}{{stem}}-{{filter}}{suffix}"
        if self.is_template:
            template_fields(word, self.known)
        is_folder = objects.is_folder if is_url(word) else os.path.isdir
        self.is_folder = bool(word) and not self.is_template and (word.endswith(("/", os.sep)) or is_folder(word))
        # Nobody can make folders ahead that are named after inputs or filters; that of an input is there.
        folders = os.path.dirname(word).removeprefix("{parent}")
        self.makes_folders = self.is_folder or (
            self.is_template and (for_folders or bool(template_fields(folders, self.known)))
        )
        self.names_one = not (self.target is None or self.is_template or self.is_folder)

    def outputs(self, source: Input) -> tuple[str, ...]:
        """Return the output of each label."""
        if self.names_one:
            return (self.target or STANDARD,)
        folder, name = os.path.split(without_query(source.path) if source.path != STANDARD else source.below)
        stem, ext = os.path.splitext(name)
        below = os.path.dirname(source.below)
        if self.target is None or self.is_folder:
            beside = "" if is_web(source.path) else folder
            kept = beside if self.target is None else os.path.join(self.target, below)
            return tuple(os.path.join(kept, f"{stem}-{label}{self.suffix}") for label in self.labels)
        fields = {"stem": stem, "name": name, "ext": ext.lstrip("."), "parent": folder or ".", "below": below or "."}
        template = self.target if below else self.target.replace("{below}/", "")
        if "/{parent}" in template:
            inner = _inner(folder)
            fields["inner"] = inner or "."
            template = (template if inner else template.replace("/{parent}/", "/")).replace("/{parent}", "/{inner}")
        return tuple(template.format(**fields, **more) for more in self.fields_of(source))

    def fields_of(self, source: Input) -> list[dict[str, str]]:
        """Return the fields that do not follow from the input's name, for each output."""
        return [{"filter": label} for label in self.labels]

    def renamed(self, target: str) -> "OutputRule":
        """Return the same rule with another template."""
        return OutputRule(target, self.labels, self.suffix)

    def alternatives(self, inputs: Sequence[Input]) -> Iterator[str]:
        """Yield templates that tell more outputs apart than the rule does, in the folder that it names.

        The first ones change least. With some inputs, none of them tells all outputs apart.
        """
        if self.target is None:
            yield f"{{parent}}/{{name}}-{{filter}}{self.suffix}"
            yield f"./{{parent}}/{{name}}-{{filter}}{self.suffix}"  # not beside inputs from the web
            return
        if self.is_folder:
            folder, name = self.target, f"{{stem}}-{{filter}}{self.suffix}"
            folders = [] if any(os.path.dirname(source.below) for source in inputs) else [folder]
        else:
            folder, name = os.path.split(self.target)
            folders = [folder]
        folders += [os.path.join(folder, field) for field in ("{below}", "{parent}") if field not in folder]
        names = name, name.replace("{stem}", "{name}"), f"{{name}}-{{filter}}{os.path.splitext(name)[1]}"
        yield from (os.path.join(each, name) for each in folders for name in dict.fromkeys(names))


def safe_name(word: str) -> str:
    r"""Return a word as a name that every system takes for a file or folder, in at most 60 letters.

    Letters that lead elsewhere, are reserved or cannot be seen become `_`. Names of devices, hidden ones and those that
    look like an option begin with one.

    Example:
        >>> safe_name("cat"), safe_name("../a:b"), safe_name("CON"), safe_name("two\nlines "), safe_name("")
        ('cat', '_.._a_b', '_CON', 'two_lines', '_')
    """
    letters = [letter if letter.isprintable() and letter not in _UNSAFE else "_" for letter in word[:60]]
    name = "".join(letters).rstrip(". ")
    is_safe = name and name[0] not in ". ~-" and not _DEVICE.fullmatch(name.partition(".")[0])
    return name if is_safe else f"_{name}"


def template_fields(template: str, known: Sequence[str]) -> set[str]:
    """Return the names of a template's fields.

    Raises:
        ArgumentError: one that is not among the known ones, or other braces.
    """
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ArgumentError(f"output {template!r}: {error}; write {{{{ and }}}} for literal braces") from error
    if any(spec or conversion for _, _, spec, conversion in parsed):
        raise ArgumentError(f"output {template!r}: fields stand alone, such as {{stem}}, without : or !")
    fields = {name for _, name, _, _ in parsed if name is not None}
    if unknown := fields - set(known):
        words = " ".join(f"{{{name}}}" for name in known)
        raise ArgumentError(f"output {template!r}: unknown field {{{unknown.pop()}}}; there are {words}")
    return fields


def _inner(folder: str) -> str:
    """Return a folder's path as one inside another folder, which it cannot lead out of."""
    parts = without_scheme(folder).replace(os.sep, "/").split("/")
    return "/".join(part for part in parts if part not in ("", os.curdir, os.pardir))
