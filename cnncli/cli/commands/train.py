"""`cnncli train`: train a network on images with classes, or with boxes around their objects."""

from functools import partial
from typing import Annotated, Any

import typer

from cnncli.choices import RESIZES
from cnncli.cli.completion import complete_networks
from cnncli.cli.options import choice, with_options
from cnncli.cli.training.options import BOX_DATA, DATA, Device, Engine, ToldOptions, device_option, engine_option
from cnncli.data.augmentation import AUGMENTATIONS
from cnncli.engines.losses import LOSSES
from cnncli.engines.optimizers import OPTIMIZERS, Optimizer
from cnncli.errors import ArgumentError
from cnncli.training.configuration import CLASS_WEIGHTS, Configuration, parse_share
from cnncli.training.schedules import SCHEDULES

EXAMPLES = """Examples:

cnncli train samples/digits

cnncli train mnist/ --network lenet5 --epochs 10 --optimizer momentum --schedule cosine -o runs/lenet5

cnncli train photos/ --size 96 --augment flip,shift:6 --early-stop 5 -o runs/photos

cnncli train photos/ --from runs/animals --freeze all -o runs/photos

cnncli train samples/canvases -o runs/canvases

cnncli train photos/ -o runs/photos --resume

cnncli train photos/ --find-lr

cnncli train photos/ --augment flip,contrast:30% --show-batch batch.png

cnncli train samples/digits --network lenet5 --optimizer momentum --explain-step 2
"""

_run = partial(typer.Option, rich_help_panel="Run")


def _rates(kind: type[Optimizer]) -> str:
    """Return an optimizer's learning rates in words."""
    normalized = f" ({kind.normalized_lr:g} with batch norm)" if kind.normalized_lr else ""
    return f"{kind.name} {kind.default_lr:g}{normalized}"


# Fields of `Configuration` as options: the metavar, or the words to choose from; the help; the default in words, where
# the field does not have it.
_LEARNING = {
    "network": (
        "NAME|TEXT|FILE",
        "A name of the zoo (lenet5) or a .toml file, which adapts to the images and classes; or layers "
        "('conv5-6,relu max2 fc-10').",
        "3x3 convolutions with batch norm, pools and residual blocks that fit the images",
    ),
    "source": (
        "MODEL",
        "Go on from a model: a run's folder, a .safetensors or .onnx file, or NAME=FILE (resnet18=weights.pth). Its "
        "input and normalization hold; a head for other classes begins anew.",
    ),
    "freeze": (
        "N|all",
        "With --from: keep the first N words of its network, repeats counted, as they are, or all before the head.",
    ),
    "head_lr": (
        "RATE",
        "With --from: learning rate of the head.",
        "--lr, ten times as much for a new head with rmsprop, adam and adamw",
    ),
    "epochs": (
        "N",
        "Number of passes over the training images.",
        "10 to 100, some three minutes on two cores; with boxes 10 to 60, and more of fewer than 100 images",
    ),
    "batch_size": ("N", "Images per batch.", "32; of images with boxes 8"),
    "optimizer": (choice("Optimizer", tuple(OPTIMIZERS)), "Optimizer of the weights."),
    "lr": (
        "RATE",
        "Learning rate.",
        ", ".join(map(_rates, OPTIMIZERS.values()))
        + ", 0.006 for boxes; with --from 0.001, and a tenth for sgd, momentum and nesterov",
    ),
    "momentum": ("M", "Momentum coefficient, for momentum and nesterov.", "0.9"),
    "weight_decay": ("W", "Weight decay (L2 penalty; decoupled with adamw).", "adamw 0.05, others 0"),
    "schedule": (choice("ScheduleName", tuple(SCHEDULES)), "Learning-rate schedule."),
    "warmup": ("EPOCHS", "Epochs of linear warm-up.", "1, at most a tenth of --epochs; 0 with --schedule constant"),
    "loss": (choice("LossName", tuple(LOSSES)), "Loss to minimise, of classes; boxes have one of their own."),
    "label_smoothing": ("E", "Label smoothing, from 0 to 1.", "0.1; with squared_error, and of boxes, 0"),
    "class_weight": (
        choice("ClassWeight", CLASS_WEIGHTS),
        "Weight classes by the inverse of their frequency (balanced).",
    ),
    "clip_norm": ("N", "Largest norm of the gradient: clip it above."),
    "early_stop": ("N", "Stop after N epochs without a better validation score."),
    "seed": ("N", "Seed of all random numbers: the same seed, the same bits."),
}
_DATA = {
    "augment": (
        "LIST",
        "Random changes to the training images, such as shift:2,flip; auto: shifts, with boxes zooms, brightness and "
        "contrast, and flips where mirrored images look like their class; none. Boxes move with their images. "
        + "; ".join(f"{name}: {kind.about}" for name, kind in AUGMENTATIONS.items())
        + ".",
        "auto; with --freeze none, so that frozen words are computed once",
    ),
    "val": (
        "PART|DATA",
        "Validation data: a share of the images (0.1 or 10%), or other data; 0 for none.",
        "the data's own, otherwise 0.1",
    ),
    "size": (
        "N|HxW",
        "Resize all images to this size, such as 32 or 24x32.",
        "64 where their sizes differ; of images with boxes their median, at most about 320x240 pixels",
    ),
    "resize": (choice("Resize", RESIZES), "How to resize images of another aspect ratio."),
    "channels": ("1|3", "Channels: 1 for grey, 3 for colour.", "those of the images"),
    "strict": ("", "Stop at an image that cannot be read."),
}
_FLAGS = {"source": "--from"}
_KINDS = {"freeze": str, "label_smoothing": str, "augment": list[str], "size": str, "strict": bool}
"""Types of options, where they are not those of the fields."""


def _configured() -> dict[str, Any]:
    """Return the fields of `Configuration` as options without a default: the run to resume, or the field, has it."""
    found = {}
    for panel, table in {"Learning": _LEARNING, "Data": _DATA}.items():
        for name, (words, about, *default) in table.items():
            value = default[0] if default else Configuration.defaults[name]
            shown = f" Default: {value}." if value else ""
            option = typer.Option(
                _FLAGS.get(name, f"--{name.replace('_', '-')}"),
                metavar=words if isinstance(words, str) else None,
                help=about + shown,
                rich_help_panel=panel,
                callback=_share if name == "label_smoothing" else None,
                autocompletion=complete_networks if name == "network" else None,
            )
            kind: Any = _KINDS.get(name, Configuration.__annotations__[name]) if isinstance(words, str) else words
            found[name] = Annotated[kind | None, option]
    return found | {name: ToldOptions.__annotations__[name] for name in ToldOptions.fields}


def _share(text: str | None) -> float | None:
    """Return the share that `--label-smoothing` gives."""
    share = None if text is None else parse_share(text)
    if text is not None and share is None:
        raise ArgumentError(f"--label-smoothing must be a share such as 0.1 or 10%, got {text!r}")
    return share


@with_options({name: (kind, None) for name, kind in _configured().items()}, dict, first=True)
def train(
    given: dict[str, Any],
    data: Annotated[str | None, typer.Argument(metavar="DATA", help=f"{DATA} {BOX_DATA}")] = None,
    output: Annotated[
        str | None,
        _run("--output", "-o", metavar="FOLDER", help="Folder of the run. Default: runs/ and the name of the data."),
    ] = None,
    config: Annotated[
        str | None, _run(metavar="FILE", help="Read options from a file, such as the config.toml of a run.")
    ] = None,
    resume: Annotated[bool, _run("--resume", help="Resume the run in the folder.")] = False,
    force: Annotated[bool, _run("--force", help="Overwrite the run in the folder.")] = False,
    find_lr: Annotated[
        bool,
        _run(
            "--find-lr",
            help="Train nothing: print the loss over growing learning rates, and the rate at which it falls fastest; "
            "with -o, also draw find-lr.svg in the folder.",
        ),
    ] = False,
    show_batch: Annotated[
        str | None,
        _run(
            "--show-batch",
            metavar="FILE",
            help="Train nothing: draw the first batch as the network gets it, resized and augmented, with its labels.",
        ),
    ] = None,
    explain_step: Annotated[
        int | None,
        _run(
            "--explain-step",
            min=1,
            metavar="N",
            help="Train up to step N, print this step with its numbers for the weights with the largest gradients of "
            "each layer, and stop; no run is written.",
        ),
    ] = None,
    jobs: Annotated[
        int | None, _run("--jobs", "-j", min=1, metavar="N", help="Processes and threads. Default: one per core.")
    ] = None,
    engine: Annotated[Engine, engine_option(rich_help_panel="Run")] = "numpy",
    device: Annotated[Device, device_option(rich_help_panel="Run")] = "auto",
    as_json: Annotated[
        bool, _run("--json", help="Print one JSON object per line: the start, each epoch, the end.")
    ] = False,
    quiet: Annotated[bool, _run("--quiet", "-q", help="Print warnings and errors only.")] = False,
) -> None:
    """Train a network on labelled images, and write the model, the metrics and the options to the folder of the run.

    The labels are classes of whole images, or boxes around the objects in them, which the network then finds.

    The first Ctrl-C, SIGTERM or SIGHUP finishes the current batch and saves; --resume continues from there, with the
    same bits as a run that was never interrupted.
    """
    if resume and force:
        raise ArgumentError("--resume continues a run, --force overwrites it: choose one")
    if as_json and quiet:
        raise ArgumentError("--json prints a line per epoch, --quiet prints none: choose one")
    looking = [find_lr, show_batch is not None, explain_step is not None]
    if any(looking) and (sum(looking) > 1 or resume or (force and show_batch is None)):
        raise ArgumentError(
            "--find-lr, --show-batch and --explain-step write no run: give one of them, without --resume"
        )
    given |= {"augment": ",".join(given["augment"]) if given["augment"] else None, "strict": given["strict"] or None}
    options = {name: value for name, value in given.items() if value is not None}
    shown: dict[str, Any] = {"as_json": as_json, "quiet": quiet}
    if find_lr:
        from cnncli.cli.training.looking import find_rate

        find_rate(data, options, output, config, jobs, engine, device, **shown)
    elif explain_step is not None:
        from cnncli.cli.training.steps import explain

        if output is not None:
            raise ArgumentError("--explain-step writes no run: leave out -o")
        explain(explain_step, data, options, config, jobs, engine, device, **shown)
    elif show_batch is not None:
        from cnncli.cli.training.looking import draw_batch

        draw_batch(show_batch, data, options, config, jobs, force=force, **shown)
    else:
        from cnncli.cli.training.running import run_training

        run_training(data, options, output, config, jobs, engine, device, resume=resume, force=force, **shown)
