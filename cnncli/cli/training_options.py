"""Options of the commands that train and use networks."""

from typing import Annotated, Any

import typer

from cnncli.cli import engine_choices
from cnncli.cli import engine_options as engines
from cnncli.cli import training_choices as choices
from cnncli.data.augmentation import AUGMENTATIONS
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError
from cnncli.training.configuration import Configuration, parse_share

_LEARNING, _DATA, _RUN = "Learning", "Data", "Run"


def option(*names: str, about: str, panel: str = _LEARNING, default: str = "", **settings: Any) -> Any:
    """Return an option without a value of its own: what is not given is the configuration's, or the run's."""
    field = names[0].lstrip("-").replace("-", "_")
    value = default or Configuration.defaults.get(field)
    shown = "" if value in (None, "", False) else f" Default: {value}."
    return typer.Option(*names, help=f"{about}{shown}", rich_help_panel=panel, show_default=False, **settings)


def _share(text: str) -> float:
    share = parse_share(text)
    if share is None:
        raise ArgumentError(f"a share is written as 0.1 or 10%, got {text!r}")
    return share


Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="A folder with a folder of pictures for each class, MNIST's or CIFAR-10's files, an .npz, or a folder "
        "with train/ and val/ or test/.",
        show_default=False,
    ),
]
Network = Annotated[
    str | None,
    option(
        "--network",
        metavar="NAME|TEXT|FILE",
        about="A name of the zoo (lenet5), a text ('conv5-6,relu max2 fc-10'), or a .toml file.",
        default="3x3 convolutions and pools that fit the pictures, then fc-64 and the classes",
    ),
]
Output = Annotated[
    str | None,
    option(
        "--output",
        "-o",
        metavar="FOLDER",
        about="The folder of the run.",
        default="runs/ and the data's name",
        panel=_RUN,
    ),
]
Epochs = Annotated[int | None, option("--epochs", metavar="N", about="Number of passes over the training pictures.")]
BatchSize = Annotated[int | None, option("--batch-size", metavar="N", about="Pictures per batch.")]
OptimizerOption = Annotated[
    choices.Optimizer | None, option("--optimizer", about="Optimizer that updates the weights.")
]
LearningRate = Annotated[
    float | None,
    option(
        "--lr",
        metavar="RATE",
        about="Learning rate.",
        default=", ".join(f"{name} {kind.default_lr:g}" for name, kind in OPTIMIZERS.items()),
    ),
]
Momentum = Annotated[
    float | None,
    option("--momentum", metavar="M", about="Momentum coefficient, for momentum and nesterov.", default="0.9"),
]
WeightDecay = Annotated[
    float | None,
    option(
        "--weight-decay",
        metavar="W",
        about="Weight decay (L2 penalty; decoupled with adamw).",
        default="0; with adamw 0.01",
    ),
]
ScheduleOption = Annotated[choices.ScheduleName | None, option("--schedule", about="Learning-rate schedule.")]
Warmup = Annotated[float | None, option("--warmup", metavar="EPOCHS", about="Epochs of linear warm-up.")]
Augment = Annotated[
    list[str] | None,
    option(
        "--augment",
        metavar="LIST",
        about="Change pictures at random, as shift:2,flip. "
        + "; ".join(f"{name}: {kind.about}" for name, kind in AUGMENTATIONS.items())
        + ".",
        panel=_DATA,
    ),
]
Val = Annotated[
    str | None,
    option(
        "--val",
        metavar="PART|DATA",
        about="Validation data: a share of the pictures (0.1 or 10%), or other data; 0 for none.",
        default="the data's own, else 0.1",
        panel=_DATA,
    ),
]
ClassWeightOption = Annotated[
    choices.ClassWeight | None,
    option("--class-weight", about="Weight classes by the inverse of their frequency (balanced)."),
]
LossOption = Annotated[choices.LossName | None, option("--loss", about="Loss to minimise.")]
LabelSmoothing = Annotated[
    float | None, option("--label-smoothing", metavar="E", about="Label smoothing, from 0 to 1.", parser=_share)
]
ClipNorm = Annotated[float | None, option("--clip-norm", metavar="N", about="Clip the gradient to this norm.")]
EarlyStop = Annotated[
    int | None, option("--early-stop", metavar="N", about="Stop after N epochs without a better validation.")
]
Seed = Annotated[int | None, option("--seed", metavar="N", about="The same seed gives the same bits.")]
Size = Annotated[
    str | None, option("--size", metavar="N|HxW", about="Bring all pictures to this size, as 32 or 24x32.", panel=_DATA)
]
ResizeOption = Annotated[
    choices.Resize | None, option("--resize", about="How pictures are brought to that size.", panel=_DATA)
]
Channels = Annotated[
    int | None,
    option("--channels", metavar="1|3", about="Grey or colour.", default="what the pictures are", panel=_DATA),
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a picture that cannot be read.", rich_help_panel=_DATA)]
Config = Annotated[
    str | None,
    option("--config", metavar="FILE", about="Take options from a file such as a run's config.toml.", panel=_RUN),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.", rich_help_panel=_RUN)]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the run in the folder.", rich_help_panel=_RUN)]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        metavar="N",
        help="Processes and threads. Default: the cores.",
        rich_help_panel=_RUN,
        show_default=False,
    ),
]
EngineOption = Annotated[engine_choices.Engine, engines.engine_option(rich_help_panel=_RUN)]
DeviceOption = Annotated[engine_choices.Device, engines.device_option(rich_help_panel=_RUN)]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line: start, each epoch, end.", rich_help_panel=_RUN)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.", rich_help_panel=_RUN)]
