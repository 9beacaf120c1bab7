"""Options that all experiments have."""

from collections.abc import Callable
from typing import Annotated, Concatenate, ParamSpec

import typer

from cnncli.cli.options import ThemeOption, with_options
from cnncli.cli.training.options import DeviceOption, EngineOption, Json, Quiet
from cnncli.drawing.svg.theme import Theme
from cnncli.values import Value

P = ParamSpec("P")


class ExperimentOptions(Value):
    """The options that all experiments have: each field is an option, as its annotation declares it."""

    batch_size: Annotated[int | None, typer.Option(min=1, metavar="N", help="Images per batch. Default: 32.")] = None
    seeds: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Trainings of each kind, with seeds from --seed on; curves are means."),
    ] = 1
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="First seed.")] = 0
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="File for the chart: .svg .png .pdf.")
    ] = None
    theme: ThemeOption = Theme.AUTO
    engine: EngineOption = "numpy"
    device: DeviceOption = "auto"
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes and threads. Default: one per core."),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing chart.")] = False
    as_json: Json = False
    quiet: Quiet = False


def about_experiment(command: Callable[Concatenate[ExperimentOptions, P], None]) -> Callable[..., None]:
    """Declare the options of `ExperimentOptions` for a command, in place of its first parameter."""
    kinds = ExperimentOptions.__annotations__
    declared = {name: (kinds[name], ExperimentOptions.defaults[name]) for name in ExperimentOptions.fields}
    return with_options(declared, ExperimentOptions)(command)
