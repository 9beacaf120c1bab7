"""`cnncli export`: write a model for other programs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.choices import WEIGHT_NAMES
from cnncli.cli.training import options
from cnncli.errors import ArgumentError
from cnncli.files.temporary import check_output
from cnncli.files.text import json_text, printable
from cnncli.shapes import show_shape

if TYPE_CHECKING:
    from cnncli.models.detector import Detector
    from cnncli.models.model import Model

EXAMPLES = """Examples:

cnncli export runs/digits digits.onnx

cnncli export runs/digits/model.safetensors digits.onnx --json

cnncli export runs/birds birds.safetensors --names torchvision
"""


@options.about_model
def export(
    about: options.ToldOptions,
    model: options.Model,
    file: Annotated[str, typer.Argument(metavar="FILE", help="File to write: .onnx or .safetensors.")],
    names: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(WEIGHT_NAMES),
            help="Write weights alone, their arrays named as in this library. Default: a model for cnncli.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    size: options.Size = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    r"""Write a model as ONNX, or its weights as safetensors.

    ONNX has the normalisation inside and the class names in its metadata. Its input `image` is float32 (batch, C, H, W)
    from 0 to 255, its output `probabilities` (batch, classes); that of a model trained on boxes is `cells`, and the
    metadata says how they become boxes. Before it is written, its output is compared with the model's own predictions.
    Needs the extra cnncli\[onnx].

    A .safetensors file is a model for cnncli; with --names, weights that torchvision or timm load.
    """
    is_onnx = file.lower().endswith(".onnx")
    if not is_onnx and not file.lower().endswith(".safetensors"):
        raise ArgumentError(f"{file}: let its name end in .onnx or .safetensors, which says what is written")
    if is_onnx and names is not None:
        raise ArgumentError("--names is about arrays of .safetensors files: leave it out, or write such a file")
    check_output(file, force=force)
    from cnncli.cli.training.models import say_preprocessing
    from cnncli.models.opening import ModelWord, load_trainable

    check_output(file, force=force, inputs=[str(ModelWord.of(model).path())])
    told = about.told(size)
    loaded = load_trainable(model, told)
    if not quiet:
        say_preprocessing(loaded, model, told)
    exported, lines = _onnx(loaded, file, force) if is_onnx else _weights(loaded, file, names, force)
    if as_json:
        print(json_text({"model": model, "output": file} | exported | {"classes": loaded.class_names}))
    elif not quiet:
        print("\n".join(lines))


def _onnx(model: "Model | Detector", file: str, force: bool) -> tuple[dict[str, Any], list[str]]:
    """Write an ONNX file; return what is said of it, as fields and in lines."""
    from cnncli.models.exporting import export_onnx

    exported = export_onnx(model, file, force=force)
    height, width, channels = model.input_shape
    return exported._asdict(), [
        f"{printable(file)}: {exported.size:,} bytes",
        f"input   image, float32 {show_shape(('batch', channels, height, width))}, from 0 to 255",
        f"output  {exported.gives}, float32 {show_shape(('batch', *exported.shape))}",
        f"checked with onnx's reference evaluator on {exported.pictures} random pictures: "
        f"the largest difference is {exported.difference:.1e}",
    ]


def _weights(model: "Model | Detector", file: str, names: str | None, force: bool) -> tuple[dict[str, Any], list[str]]:
    """Write a file of weights; return what is said of it, as fields and in lines."""
    from cnncli.models.weights import export_weights

    exported = export_weights(model, file, names=names, force=force)
    whose = "a model for cnncli" if names is None else f"named as in {names}"
    return exported._asdict(), [f"{printable(file)}: {exported.size:,} bytes, {exported.arrays} arrays, {whose}"]
