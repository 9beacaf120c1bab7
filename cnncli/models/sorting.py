"""Sorting pictures by their predicted class: each is copied to a place that a template names.

A class is known only when its picture has been predicted. So everything is predicted first; then all copies are
planned, and whatever would lose a file is refused; only then are they made, each whole or not at all. Originals stay as
they are.
"""

import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from cnncli.batch.inputs import Input
from cnncli.batch.naming import TEMPLATE_FIELDS, OutputRule, safe_name, template_fields
from cnncli.batch.objects import is_url
from cnncli.batch.plan import Job, make_folders, plan, refuse_existing, work_folders
from cnncli.batch.running import run
from cnncli.batch.task import Grouping, Task
from cnncli.data import Reading
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import STANDARD, is_temporary, open_temporary, remove_leftovers, writing
from cnncli.models.opening import as_predictor
from cnncli.models.prediction import Prediction, path_list, predict_files
from cnncli.models.predictor import AnyPath, Predictor
from cnncli.threads import cores

_PIECE = 1 << 20


class CopyRule(OutputRule):
    """A rule that names the copies of pictures by their predicted class.

    Args:
        template: with the field `{class}`, and `{probability}` and those of outputs but `{filter}`. It names a folder
            where its last part has neither `{stem}` nor `{name}`; the copy keeps its name there.
        class_names: the classes; `path_names` gives their names in paths.
        min_probability: the probability from which pictures are copied.
        found: the class and its probability of each picture to copy, by its path; None before they are known, when the
            fields stay in the names.

    Raises:
        ArgumentError: a template without `{class}`, or with fields that nothing fills.

    Example:
        >>> rule = CopyRule("sorted/{class}/", ["cat", "a/b"], found={"x/1.png": ("a/b", 0.9)})
        >>> rule.outputs(Input("x/1.png", "1.png")), rule.outputs(Input("x/2.png", "2.png"))
        (('sorted/a_b/1.png',), ())
    """

    known = (*(field for field in TEMPLATE_FIELDS if field != "filter"), "class", "probability")

    def __init__(
        self,
        template: str,
        class_names: Sequence[str],
        *,
        min_probability: float = 0.0,
        found: Mapping[str, tuple[str, float]] | None = None,
    ) -> None:
        if "class" not in template_fields(template, self.known):
            raise ArgumentError(f"the template {template!r} has no {{class}}: write one such as 'sorted/{{class}}/'")
        last = template.rpartition("/")[2]
        names_files = "{stem}" in last or "{name}" in last
        super().__init__(template if names_files else f"{template.rstrip('/')}/{{name}}", ())
        self.class_names, self.min_probability, self.found = class_names, min_probability, found
        self.names = path_names(class_names)
        self.makes_folders = True

    def fields_of(self, source: Input) -> list[dict[str, str]]:
        if self.found is None:
            return [{"class": "{class}", "probability": "{probability}"}]
        if source.path not in self.found:
            return []
        name, share = self.found[source.path]
        return [{"class": self.names[name], "probability": f"{share:.4f}"}]

    def renamed(self, target: str) -> "CopyRule":
        return CopyRule(target, self.class_names, min_probability=self.min_probability, found=self.found)

    def of(self, found: Mapping[str, tuple[str, float]]) -> "CopyRule":
        """Return the rule for pictures whose class and its probability are known, by their paths."""
        likely = {path: top for path, top in found.items() if top[1] >= self.min_probability}
        return CopyRule(str(self.target), self.class_names, min_probability=self.min_probability, found=likely)

    def plan(self, inputs: Sequence[Input]) -> list[Job]:
        """Return a job for each picture to copy. Nothing is written yet.

        Raises:
            ArgumentError: two copies of one name, one in an input's place, or standard input.
        """
        if any(source.path == STANDARD for source in inputs):
            raise ArgumentError("standard input has no name to copy it by: name files")
        # A copy has its original's name: one found where another would be put is not taken for a result.
        jobs = plan([source._replace(found=False) for source in inputs], self)
        return [job for job in jobs if job.outputs]

    def without_results(self, inputs: Sequence[Input]) -> list[Input]:
        """Return inputs without those found in the folder of the copies while another one was searched."""
        folder = str(self.target).partition("{")[0].rpartition("/")[0]
        if not folder:
            return list(inputs)
        inside = cache(partial(_is_inside, folder=folder))
        return [
            one for one in inputs if not one.found or not inside(os.path.dirname(one.path)) or inside(_searched(one))
        ]


def _searched(source: Input) -> str:
    """Return the folder that was searched for an input."""
    return source.path.removesuffix(source.below).rstrip("/") or os.path.dirname(source.path)


def _is_inside(path: str, folder: str) -> bool:
    """Return whether a folder is another one, or below it."""
    if not (is_url(path) or is_url(folder)):
        path, folder = os.path.realpath(path), os.path.realpath(folder)
    return f"{path}/".startswith(f"{folder}/")


def path_names(class_names: Sequence[str]) -> dict[str, str]:
    """Return the names of classes in paths: themselves where they are safe, made safe and told apart elsewhere.

    Example:
        >>> path_names(["a/b", "a:b", "cat"])
        {'cat': 'cat', 'a/b': 'a_b', 'a:b': 'a_b-2'}
    """
    fold = str.casefold if sys.platform in ("win32", "cygwin", "darwin") else str
    names: dict[str, str] = {}
    taken: set[str] = set()
    for word in sorted(class_names, key=lambda word: safe_name(word) != word):
        safe, number = safe_name(word), 2
        name = safe
        while fold(name) in taken:
            name, number = f"{safe}-{number}", number + 1
        names[word] = name
        taken.add(fold(name))
    return names


class CopyPipeline:
    """The copy of one picture file, with its permissions and times."""

    grouping = Grouping(in_order=True)

    def __call__(self, job: Job, targets: Sequence[str]) -> list[dict[str, Any]]:
        """Copy the file of a job."""
        for target, output in zip(targets, job.outputs, strict=True):
            _copy(job.input.path, target, output)
        return [{} for _ in job.outputs]


def _copy(source: str, target: str, output: str) -> None:
    if os.path.lexists(source) and not os.path.isfile(source):
        raise ImageError(f"{source}: is not a file that could be read again: not copied")
    with open(source, "rb") as file, writing(output, ImageError):
        with open_temporary(target) as copy:
            shutil.copyfileobj(file, copy, _PIECE)
        if not is_temporary(source):  # that of an object, whose permissions and times are not known
            shutil.copystat(source, target)


class SortedFile(NamedTuple):
    """A picture that was predicted, and its copy.

    Attributes:
        prediction: its prediction.
        copy: the path of its copy; None where it was not copied.
        error: one line where it could not be predicted or copied.
    """

    prediction: Prediction
    copy: str | None
    error: str | None


def sort_files(
    model: Predictor | AnyPath,
    paths: AnyPath | Sequence[AnyPath],
    template: str,
    *,
    min_probability: float = 0.0,
    force: bool = False,
    skip_existing: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
    reading: Reading | None = None,
    stop: threading.Event | None = None,
) -> list[SortedFile]:
    """Copy picture files to places named by their predicted class, as `cnncli predict --copy` does.

    Every file is predicted before the first is copied.

    Args:
        model: a model, or a word that `load_model` takes.
        paths: the files, or their URLs; each is taken once.
        template: names the copies, such as `sorted/{class}/`; `CopyRule` says what it may hold.
        min_probability: the probability from which pictures are copied.
        force: whether copies replace files that exist.
        skip_existing: keep a file in a copy's place that has the same content.
        dry_run: plan everything, and copy nothing.
        jobs: threads; None for the machine's cores.
        reading: how pictures are read; None for the model's own way.
        stop: when set, no further file is begun; where not all were predicted, none is copied.

    Returns:
        A `SortedFile` for each file, in their order.

    Raises:
        ArgumentError: copies that would have one name, or a name that is taken; nothing was copied then.
        ModelError: the model cannot be read.

    Example:
        >>> for one in sort_files("runs/digits", ["digits/7/00.png"], "sorted/{class}/", dry_run=True):
        ...     print(one.copy)
        sorted/7/00.png
    """
    model, jobs = as_predictor(model), jobs or cores()
    inputs = [Input(name, os.path.basename(name)) for name in dict.fromkeys(path_list(paths))]
    rule = CopyRule(template, model.class_names, min_probability=min_probability)
    rule.plan(inputs)
    names = [source.path for source in inputs]
    predictions = list(predict_files(model, names, jobs=jobs, reading=reading, stop=stop))
    done: dict[str, tuple[str | None, str | None]] = {}
    if len(predictions) == len(inputs):
        found = {one.input: one.top()[0] for one in predictions if one.error is None}
        copies = plan_copies(rule.of(found), inputs, replace=force or skip_existing)
        if dry_run:
            done = {job.input.path: (job.outputs[0], None) for job in copies}
        else:
            open_places(copies, rule)
            reports = run(copies, copying(replace=force, skip=skip_existing), workers=jobs, stop=stop)
            done = {one.input: (None if one.error else one.output, one.error) for one in reports}
    return [SortedFile(one, *done.get(one.input, (None, one.error))) for one in predictions]


def plan_copies(rule: CopyRule, inputs: Sequence[Input], *, replace: bool) -> list[Job]:
    """Return a job for each picture to copy, after checking everything that can be checked before the first.

    Raises:
        ArgumentError: copies of one name or in an input's place; or, unless `replace`, names that are taken.
    """
    jobs = rule.plan(inputs)
    if not replace:
        refuse_existing(jobs)
    return jobs


def open_places(copies: Sequence[Job], rule: CopyRule) -> None:
    """Make the folders of copies, and remove what killed processes left in them.

    Raises:
        ArgumentError: a folder cannot be made.
    """
    make_folders(copies, rule)
    remove_leftovers(work_folders(copies))


def copying(*, replace: bool, skip: bool) -> Task:
    """Return the task that makes copies."""
    return Task(CopyPipeline(), skip=skip and not replace, replace=replace, grouping=CopyPipeline.grouping)
