"""`cnncli experiment`: trainings that differ in one thing, side by side."""

from typing import Annotated, Any

import typer

from cnncli.cli.completion import complete_networks
from cnncli.cli.options import choice
from cnncli.cli.training.experiment_options import ExperimentOptions, about_experiment
from cnncli.cli.training.options import DATA
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
Epochs = Annotated[int, typer.Option(min=1, metavar="N", help="Epochs of each training.")]
Size = Annotated[str | None, typer.Option(metavar="N|HxW", help="Resize all images to this size.")]
Schedule: Any = choice("ScheduleName", tuple(SCHEDULES))


def experiment(context: typer.Context) -> None:
    """Train in several ways side by side: print a table of the last losses, and draw the curves in one chart.

    Ctrl-C finishes the current batch; the table and the chart then have what there is. No run is written.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


@about_experiment
def optimizers(
    shared: ExperimentOptions,
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
    schedule: Annotated[Schedule, typer.Option("--schedule", help="Learning-rate schedule.")] = "constant",
    size: Size = None,
    val: Annotated[
        str | None, typer.Option(metavar="PART|DATA", help="Validation data, as for train; 0 for none. Default: 0.1.")
    ] = None,
) -> None:
    """Compare optimizers: the same first weights, the same batches, the training losses in one chart.

    Images are not augmented and labels not smoothed, so that nothing but the optimizer tells the curves apart.
    """
    from cnncli.cli.training.experiments import run_experiment
    from cnncli.training.experiments.optimizers import compare_optimizers

    given = {"network": network, "epochs": epochs, "schedule": str(schedule), "lr": lr, "size": size, "val": val}
    run_experiment(compare_optimizers, data, chosen.split(","), given, shared)


@about_experiment
def depth(
    shared: ExperimentOptions,
    data: Data,
    depths: Annotated[
        str, typer.Option(metavar="N,N,...", help="Numbers of layers with weights: even numbers from 4.")
    ] = "8,20,32",
    epochs: Epochs = 12,
    lr: Annotated[float | None, typer.Option(metavar="RATE", help="Learning rate of momentum. Default: 0.05.")] = None,
    size: Size = "14",
) -> None:
    """Compare depths: plain networks train worse the deeper they are, residual ones do not (He et al. 2015).

    The chart has the training errors over the epochs, and the last ones over depth. Each network is a stack of 3x3
    convolutions with batch norm; residual ones have a shortcut around every two.
    """
    from cnncli.cli.training.experiments import run_experiment
    from cnncli.training.experiments.depth import compare_depths

    given = {"epochs": epochs, "lr": lr, "size": size}
    run_experiment(compare_depths, data, [_depth(word) for word in depths.split(",")], given, shared)


def _depth(word: str) -> int:
    if not (word.strip().isascii() and word.strip().isdigit()):
        raise ArgumentError(f"--depths must be whole numbers, such as 8,32, got {word!r}")
    return int(word)


SUBCOMMANDS: dict[Any, dict[str, Any]] = {
    optimizers: {"epilog": _OPTIMIZER_EXAMPLES},
    depth: {"epilog": _DEPTH_EXAMPLES},
}
"""The commands of the group, and what Typer is told of each."""
