"""The options of every command that works on files, one after another: declared once, and handed on as one value."""

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, Concatenate, ParamSpec

from cnncli.cli import options
from cnncli.values import Value

P = ParamSpec("P")


class BatchOptions(Value):
    """What the user said of inputs, of outputs and of the work between them.

    Each field is an option of the command line, as its annotation declares it.
    """

    inputs: options.Inputs = None
    output: options.OutputOption = None
    show: options.Show = False
    format_name: options.FormatOption = None
    recursive: options.Recursive = False
    files_from: options.FilesFrom = None
    max_pixels: options.MaxPixels = None
    jobs: options.Jobs = None
    force: options.Force = False
    skip_existing: options.SkipExisting = False
    shard: options.ShardOption = None
    scheduler: options.SchedulerOption = None
    dry_run: options.DryRun = False
    as_json: options.Json = False
    quiet: options.Quiet = False

    @property
    def words(self) -> list[str]:
        """The inputs as they were written."""
        return self.inputs or []

    @property
    def skips(self) -> bool:
        """Whether what is done already is left out."""
        return self.skip_existing and not self.force

    def pipeline_fields(self) -> dict[str, Any]:
        """Return what every pipeline is told of files: `format`, `max_pixels` and `statistics`."""
        from cnncli.pipelines.common import check_format

        form = None if self.format_name is None else check_format(self.format_name)
        limit = {} if self.max_pixels is None else {"max_pixels": self.max_pixels or None}
        return {"format": form, "statistics": self.as_json, **limit}


def over_files(command: Callable[Concatenate[BatchOptions, P], None]) -> Callable[..., None]:
    """Declare the options of `BatchOptions` for a command, in place of its first parameter, which gets their values.

    Example:
        >>> @over_files
        ... def count(batch: BatchOptions, flip: bool = False) -> None:
        ...     print(batch.words, batch.force, flip)
        >>> count(inputs=["a.png"], force=True, flip=True)
        ['a.png'] True True
        >>> [*inspect.signature(count).parameters][:3]
        ['flip', 'inputs', 'output']
    """

    @functools.wraps(command)
    def gather(*args: P.args, **kwargs: P.kwargs) -> None:
        said: dict[str, Any] = {name: kwargs.pop(name) for name in BatchOptions.fields if name in kwargs}
        command(BatchOptions(**said), *args, **kwargs)

    _, *own = inspect.signature(command).parameters.values()
    shared = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=BatchOptions.defaults[name], annotation=kind)
        for name, kind in BatchOptions.__annotations__.items()
    ]
    declared: Any = gather
    declared.__signature__ = inspect.Signature([*own, *shared])  # what Typer reads
    return gather
