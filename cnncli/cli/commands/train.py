"""`cnncli train`: train a network on labelled images."""

from functools import partial
from typing import Annotated, Any

import typer

from cnncli.choices import RESIZES
from cnncli.cli.options import choice
from cnncli.cli.training.options import DATA, Device, Engine, device_option, engine_option
from cnncli.data.augmentation import AUGMENTATIONS
from cnncli.engines.losses import LOSSES
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError
from cnncli.training.configuration import CLASS_WEIGHTS, Configuration, parse_share
from cnncli.training.schedules import SCHEDULES

EXAMPLES = """Examples:

cnncli train samples/digits

cnncli train mnist/ --network lenet5 --epochs 10 --optimizer momentum --schedule cosine -o runs/lenet5

cnncli train photos/ --size 64 --augment flip,shift:4 --early-stop 5 -o runs/photos

cnncli train photos/ -o runs/photos --resume --epochs 40
"""

Optimizer: Any = choice("Optimizer", tuple(OPTIMIZERS))
ScheduleName: Any = choice("ScheduleName", tuple(SCHEDULES))
LossName: Any = choice("LossName", tuple(LOSSES))
ClassWeight: Any = choice("ClassWeight", CLASS_WEIGHTS)
Resize: Any = choice("Resize", RESIZES)


def _option(*names: str, about: str, panel: str, default: str = "", **settings: Any) -> Any:
    """Return an option without a default of its own: the configuration, or the run to resume, has it."""
    value = default or Configuration.defaults.get(names[0].lstrip("-").replace("-", "_"))
    shown = "" if value in (None, "", False) else f" Default: {value}."
    return typer.Option(*names, help=f"{about}{shown}", rich_help_panel=panel, show_default=False, **settings)


_learning = partial(_option, panel="Learning")
_data = partial(_option, panel="Data")
_run = partial(_option, panel="Run")


def _share(text: str | None) -> float | None:
    """Return the share that `--label-smoothing` gives."""
    share = None if text is None else parse_share(text)
    if text is not None and share is None:
        raise ArgumentError(f"--label-smoothing must be a share such as 0.1 or 10%, got {text!r}")
    return share


def train(
    data: Annotated[str | None, typer.Argument(metavar="DATA", help=DATA, show_default=False)] = None,
    network: Annotated[
        str | None,
        _learning(
            "--network",
            metavar="NAME|TEXT|FILE",
            about="A name of the zoo (lenet5), layers ('conv5-6,relu max2 fc-10'), or a .toml file.",
            default="3x3 convolutions and pools that fit the images, then fc-64 and the classes",
        ),
    ] = None,
    epochs: Annotated[
        int | None, _learning("--epochs", metavar="N", about="Number of passes over the training images.")
    ] = None,
    batch_size: Annotated[int | None, _learning("--batch-size", metavar="N", about="Images per batch.")] = None,
    optimizer: Annotated[Optimizer | None, _learning("--optimizer", about="Optimizer of the weights.")] = None,
    lr: Annotated[
        float | None,
        _learning(
            "--lr",
            metavar="RATE",
            about="Learning rate.",
            default=", ".join(f"{name} {kind.default_lr:g}" for name, kind in OPTIMIZERS.items()),
        ),
    ] = None,
    momentum: Annotated[
        float | None,
        _learning("--momentum", metavar="M", about="Momentum coefficient, for momentum and nesterov.", default="0.9"),
    ] = None,
    weight_decay: Annotated[
        float | None,
        _learning(
            "--weight-decay",
            metavar="W",
            about="Weight decay (L2 penalty; decoupled with adamw).",
            default="0; with adamw 0.01",
        ),
    ] = None,
    schedule: Annotated[ScheduleName | None, _learning("--schedule", about="Learning-rate schedule.")] = None,
    warmup: Annotated[float | None, _learning("--warmup", metavar="EPOCHS", about="Epochs of linear warm-up.")] = None,
    loss: Annotated[LossName | None, _learning("--loss", about="Loss to minimise.")] = None,
    label_smoothing: Annotated[
        str | None,
        _learning("--label-smoothing", metavar="E", about="Label smoothing, from 0 to 1.", callback=_share),
    ] = None,
    class_weight: Annotated[
        ClassWeight | None,
        _learning("--class-weight", about="Weight classes by the inverse of their frequency (balanced)."),
    ] = None,
    clip_norm: Annotated[
        float | None, _learning("--clip-norm", metavar="N", about="Largest norm of the gradient: clip it above.")
    ] = None,
    early_stop: Annotated[
        int | None,
        _learning("--early-stop", metavar="N", about="Stop after N epochs without a better validation score."),
    ] = None,
    seed: Annotated[
        int | None, _learning("--seed", metavar="N", about="Seed of all random numbers: the same seed, the same bits.")
    ] = None,
    augment: Annotated[
        list[str] | None,
        _data(
            "--augment",
            metavar="LIST",
            about="Random changes to the training images, such as shift:2,flip. "
            + "; ".join(f"{name}: {kind.about}" for name, kind in AUGMENTATIONS.items())
            + ".",
        ),
    ] = None,
    val: Annotated[
        str | None,
        _data(
            "--val",
            metavar="PART|DATA",
            about="Validation data: a share of the images (0.1 or 10%), or other data; 0 for none.",
            default="the data's own, otherwise 0.1",
        ),
    ] = None,
    size: Annotated[
        str | None, _data("--size", metavar="N|HxW", about="Resize all images to this size, such as 32 or 24x32.")
    ] = None,
    resize: Annotated[Resize | None, _data("--resize", about="How to resize images of another aspect ratio.")] = None,
    channels: Annotated[
        int | None,
        _data("--channels", metavar="1|3", about="Channels: 1 for grey, 3 for colour.", default="those of the images"),
    ] = None,
    strict: Annotated[bool, _data("--strict", about="Stop at an image that cannot be read.")] = False,
    output: Annotated[
        str | None,
        _run("--output", "-o", metavar="FOLDER", about="Folder of the run.", default="runs/ and the name of the data"),
    ] = None,
    config: Annotated[
        str | None,
        _run("--config", metavar="FILE", about="Read options from a file, such as the config.toml of a run."),
    ] = None,
    resume: Annotated[bool, _run("--resume", about="Resume the run in the folder.")] = False,
    force: Annotated[bool, _run("--force", about="Overwrite the run in the folder.")] = False,
    jobs: Annotated[
        int | None,
        _run("--jobs", "-j", min=1, metavar="N", about="Processes and threads.", default="one per core"),
    ] = None,
    engine: Annotated[Engine, engine_option(rich_help_panel="Run")] = "numpy",
    device: Annotated[Device, device_option(rich_help_panel="Run")] = "auto",
    as_json: Annotated[
        bool, _run("--json", about="Print one JSON object per line: the start, each epoch, the end.")
    ] = False,
    quiet: Annotated[bool, _run("--quiet", "-q", about="Print warnings and errors only.")] = False,
) -> None:
    """Train a network on labelled images, and write the model, the metrics and the options to the folder of the run.

    The first Ctrl-C, SIGTERM or SIGHUP finishes the current batch and saves; --resume continues from there, with the
    same bits as a run that was never interrupted.
    """
    given = {name: value for name, value in locals().items() if name in Configuration.fields}
    if resume and force:
        raise ArgumentError("--resume continues a run, --force overwrites it: choose one")
    if as_json and quiet:
        raise ArgumentError("--json prints a line per epoch, --quiet prints none: choose one")
    from cnncli.cli.training.running import TrainingRun

    given |= {"augment": ",".join(augment) if augment else None, "strict": strict or None}
    options = {name: value for name, value in given.items() if value is not None}
    TrainingRun(data, output, options, config, resume, force, jobs, as_json, quiet, engine, device).run()
