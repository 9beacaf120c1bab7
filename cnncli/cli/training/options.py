"""Options of the commands that train networks and use models."""

from functools import partial
from typing import Annotated, Any

import typer

from cnncli.cli.options import choice
from cnncli.engines.backends import DEVICES, ENGINES

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model.safetensors, or the folder of a run.")]
DATA = (
    "A folder with one folder of images per class, the files of MNIST or CIFAR-10, an .npz file, or a folder with "
    "train/ and val/ (or test/)."
)
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Threads. Default: one per core.")]
Engine: Any = choice("Engine", tuple(ENGINES))
Device: Any = choice("Device", DEVICES)

engine_option = partial(typer.Option, "--engine", help=r"Engine that computes: torch needs the extra cnncli\[torch].")
device_option = partial(typer.Option, "--device", help="Device: auto is a GPU if --engine torch finds one.")
EngineOption = Annotated[Engine, engine_option()]
DeviceOption = Annotated[Device, device_option()]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
