"""`cnncli experiment`: trainings that differ in one thing, side by side."""

from typing import Annotated, Any

import typer

from cnncli.cli.completion import complete_networks
from cnncli.cli.options import choice
from cnncli.cli.training.options import DATA, DeviceOption, EngineOption, Json, Quiet
from cnncli.drawing.svg.theme import Theme
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError
from cnncli.training.schedules import SCHEDULES

EXAMPLES = """Examples:

cnncli experiment optimizers samples/digits -o optimizers.svg

cnncli experiment depth samples/digits -o depth.svg
"""

_OPTIMIZER_EXAMPLES = """Examples:

cnncli experiment optimizers samples/digits -o optimizers.svg

cnncli experiment optimizers mnist/ --optimizers sgd:0.1,sgd:0.01,adam --epochs 5 --seeds 3 -o rates.svg
"""

_DEPTH_EXAMPLES = """Examples:

cnncli experiment depth samples/digits -o depth.svg

cnncli experiment depth cifar/ --depths 8,14,20,32,44 --size 32 --epochs 30 -o depth.svg
"""

Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA)]
Epochs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Epochs of each training.")]
BatchSize = Annotated[int | None, typer.Option(min=1, metavar="N", help="Images per batch. Default: 32.")]
Size = Annotated[str | None, typer.Option(metavar="N|HxW", help="Resize all images to this size.")]
Val = Annotated[str | None, typer.Option(metavar="PART|DATA", help="Validation data, as for train; 0 for none.")]
Schedule: Any = choice("ScheduleName", tuple(SCHEDULES))
Seeds = Annotated[
    int, typer.Option(min=1, metavar="N", help="Trainings of each kind, with seeds from --seed on; curves are means.")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="First seed.")]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="File for the chart: .svg .png .pdf.")
]
ThemeOption = Annotated[
    Theme, typer.Option("--theme", help="Colours of the chart. auto: those of the viewer's setting.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes and threads. Default: one per core.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing chart.")]


def experiment(context: typer.Context) -> None:
    """Train in several ways side by side: print a table of the last losses, and draw the curves in one chart.

    Ctrl-C finishes the current batch; the table and the chart then have what there is. No run is written.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def optimizers(
    data: Data,
    chosen: Annotated[
        str,
        typer.Option(
            "--optimizers",
            metavar="NAME[:RATE],...",
            help="Optimizers to compare, each with a learning rate of its own (sgd:0.1) or its usual one.",
        ),
    ] = ",".join(OPTIMIZERS),
    lr: Annotated[
        float | None, typer.Option(metavar="RATE", help="Learning rate of optimizers that have none of their own.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|TEXT|FILE", help="Network, as for train. Default: lenet5.", autocompletion=complete_networks
        ),
    ] = None,
    epochs: Epochs = 20,
    batch_size: BatchSize = None,
    schedule: Annotated[Schedule, typer.Option("--schedule", help="Learning-rate schedule.")] = "constant",
    size: Size = None,
    val: Val = None,
    seeds: Seeds = 1,
    seed: Seed = 0,
    output: Output = None,
    theme: ThemeOption = Theme.AUTO,
    engine: EngineOption = "numpy",
    device: DeviceOption = "auto",
    jobs: Jobs = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare optimizers: the same first weights, the same batches, the training losses in one chart.

    Images are not augmented and labels not smoothed, so that nothing but the optimizer tells the curves apart.
    """
    from cnncli.cli.training.experiments import run_experiment
    from cnncli.training.experiments.optimizers import compare_optimizers

    given = {"network": network, "epochs": epochs, "batch_size": batch_size, "schedule": str(schedule), "lr": lr}
    run_experiment(
        compare_optimizers,
        data,
        chosen.split(","),
        given | {"size": size, "val": val, "seed": seed},
        {"seeds": seeds, "jobs": jobs, "engine": str(engine), "device": str(device)},
        output,
        theme,
        force=force,
        as_json=as_json,
        quiet=quiet,
    )


def depth(
    data: Data,
    depths: Annotated[
        str, typer.Option(metavar="N,N,...", help="Numbers of layers with weights: even numbers from 4.")
    ] = "8,20,32",
    epochs: Epochs = 12,
    batch_size: BatchSize = None,
    lr: Annotated[float | None, typer.Option(metavar="RATE", help="Learning rate of momentum. Default: 0.05.")] = None,
    size: Size = "14",
    seeds: Seeds = 1,
    seed: Seed = 0,
    output: Output = None,
    theme: ThemeOption = Theme.AUTO,
    engine: EngineOption = "numpy",
    device: DeviceOption = "auto",
    jobs: Jobs = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare depths: plain networks train worse the deeper they are, residual ones do not (He et al. 2015).

    The chart has the training errors over the epochs, and the last ones over depth. Each network is a stack of 3x3
    convolutions with batch norm; residual ones have a shortcut around every two.
    """
    from cnncli.cli.training.experiments import run_experiment
    from cnncli.training.experiments.depth import compare_depths

    run_experiment(
        compare_depths,
        data,
        [_depth(word) for word in depths.split(",")],
        {"epochs": epochs, "batch_size": batch_size, "lr": lr, "size": size, "seed": seed},
        {"seeds": seeds, "jobs": jobs, "engine": str(engine), "device": str(device)},
        output,
        theme,
        force=force,
        as_json=as_json,
        quiet=quiet,
    )


def _depth(word: str) -> int:
    if not (word.strip().isascii() and word.strip().isdigit()):
        raise ArgumentError(f"--depths must be whole numbers, such as 8,32, got {word!r}")
    return int(word)


SUBCOMMANDS: dict[Any, dict[str, Any]] = {
    optimizers: {"epilog": _OPTIMIZER_EXAMPLES},
    depth: {"epilog": _DEPTH_EXAMPLES},
}
"""The commands of the group, and what Typer is told of each."""
