"""`cnncli export`: write a model for other programs."""

from typing import Annotated

import typer

from cnncli.cli.training import options
from cnncli.errors import ArgumentError
from cnncli.files.temporary import check_output
from cnncli.files.text import json_text, printable
from cnncli.shapes import show_shape

EXAMPLES = """Examples:

cnncli export runs/digits digits.onnx

cnncli export runs/digits/model.safetensors digits.onnx --json
"""


@options.about_model
def export(
    about: options.ToldOptions,
    model: options.Model,
    file: Annotated[str, typer.Argument(metavar="FILE.onnx", help="File to write.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    size: options.Size = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    r"""Write a model as ONNX, with the normalisation inside and the class names in its metadata.

    Its input `image` is float32 (batch, C, H, W) from 0 to 255, its output `probabilities` (batch, classes). Before it
    is written, its output is compared with the model's own predictions. Needs the extra cnncli\[onnx].
    """
    if not file.lower().endswith(".onnx"):
        raise ArgumentError(f"{file}: models are exported as ONNX: let its name end in .onnx")
    check_output(file, force=force)
    from cnncli.models.exporting import export_onnx
    from cnncli.models.opening import load_trainable

    loaded = load_trainable(model, about.told(size))
    exported = export_onnx(loaded, file, force=force)
    if as_json:
        print(json_text({"model": model, "output": file} | exported._asdict() | {"classes": loaded.class_names}))
    elif not quiet:
        height, width, channels = loaded.input_shape
        print(f"{printable(file)}: {exported.size:,} bytes")
        print(f"input   image, float32 {show_shape(('batch', channels, height, width))}, from 0 to 255")
        print(f"output  probabilities, float32 batchx{len(loaded.class_names)}")
        print(
            f"checked with onnx's reference evaluator on {exported.pictures} random pictures: "
            f"the largest difference is {exported.difference:.1e}"
        )
