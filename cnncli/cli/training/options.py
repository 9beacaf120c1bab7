"""Options of the commands that train networks and use models."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from cnncli.choices import NORMALIZATIONS
from cnncli.cli.options import choice, with_options
from cnncli.engines.backends import DEVICES, ENGINES
from cnncli.errors import ArgumentError
from cnncli.values import Value

if TYPE_CHECKING:
    from cnncli.models.told import Told

P = ParamSpec("P")

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="The folder of a run, a .safetensors or .onnx file, or NAME=FILE: a network of the zoo with weights of "
        "torchvision, timm or Keras (resnet18=weights.safetensors).",
    ),
]
DATA = (
    "A folder with one folder of images per class, the files of MNIST or CIFAR-10, an .npz file, or a folder with "
    "train/ and val/ (or test/)."
)
BOX_DATA = (
    "With boxes: COCO JSON, Pascal VOC XML, YOLO text or a CSV table of file,class,x,y,width,height, as a file or in a "
    "folder with the images."
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


def parse_probability(text: str, name: str) -> float:
    """Return a share from 0 to 1, written as 0.95 or 95%.

    Raises:
        ArgumentError: the text is anything else.
    """
    from cnncli.training.configuration import parse_share

    share = parse_share(text)
    if share is None or not 0 <= share <= 1:
        raise ArgumentError(f"{name} must be from 0 to 1, or a percentage such as 95%, got {text!r}")
    return share


# What a model's file does not say

_told = partial(typer.Option, rich_help_panel="Model")


class ToldOptions(Value):
    """What the command line says about a model: each field is an option, as its annotation declares it."""

    classes: Annotated[
        str | None, _told(metavar="FILE", help="Names of the classes, one a line, in the order of the outputs.")
    ] = None
    normalization: Annotated[
        str | None,
        _told(
            "--normalize",
            metavar="NAME",
            help=f"What the weights expect of pictures, where their file does not say it: {', '.join(NORMALIZATIONS)}.",
        ),
    ] = None
    mean: Annotated[
        str | None,
        _told(metavar="M,M,M", help="The same in numbers: the mean of each channel, from 0 to 1 or from 0 to 255."),
    ] = None
    std: Annotated[str | None, _told(metavar="S,S,S", help="Standard deviation of each channel, as for --mean.")] = None

    def told(self, size: str | None = None) -> "Told":
        """Return what is told; `size` is that of the pictures, where a command takes it.

        Raises:
            ArgumentError: options that contradict one another, a list of classes that cannot be read, or no size.
        """
        from cnncli.models.told import Told
        from cnncli.training.configuration import parse_size

        texts = self.classes, self.normalization, self.mean, self.std
        return Told.of_texts(*texts, size=None if size is None else parse_size(size))


Size = Annotated[
    str | None,
    _told(
        "--size", metavar="N|HxW", help="Size of the images, where the model leaves it open, such as 224 or 192x256."
    ),
]


def about_model(command: Callable[Concatenate[ToldOptions, P], None]) -> Callable[..., None]:
    """Declare the options of `ToldOptions` for a command, in place of its first parameter."""
    kinds = ToldOptions.__annotations__
    return with_options({name: (kinds[name], None) for name in ToldOptions.fields}, ToldOptions)(command)
