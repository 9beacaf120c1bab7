"""Reading model files: the registry `FORMATS` says how each kind is recognised and read."""

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, cast

from cnncli.errors import ModelError
from cnncli.formats.files import Buffer, FileBytes, naming_errors, opened
from cnncli.networks.loading import load_network, zoo_names
from cnncli.networks.summary import Summary
from cnncli.shapes import Shape

RUN_MODEL = "model.safetensors"
"""The file in the folder of a run that holds its network."""


class Format(NamedTuple):
    """A kind of model file.

    Attributes:
        what: a file of it, in a message.
        suffixes: endings of its files' names.
        fits: whether the first bytes of a file, and its size, can be those of this format.
        reader: the module below `cnncli.formats` and the function in it that reads a file, loaded when one is read: a
            function of the bytes, the name without its ending, the input's shape, and `shapes` as in `read_model`.
        advice: for a format that is not read: what to do instead.
        sure: a file that fits has this format whatever its suffix.
    """

    what: str
    suffixes: tuple[str, ...]
    fits: Callable[[bytes, int], bool]
    reader: str = ""
    advice: str = ""
    sure: bool = False

    def read(self, buffer: FileBytes, name: str, input_shape: Shape | None, shapes: bool) -> Summary:
        """Read a file, as `read_model` does."""
        if self.advice:
            raise ModelError(self.advice)
        module, function = self.reader.split(":")
        reader = getattr(import_module(f"cnncli.formats.{module}"), function)
        return cast(Summary, reader(buffer, name, input_shape, shapes=shapes))


def _begins(*marks: bytes, at: int = 0) -> Callable[[bytes, int], bool]:
    return lambda head, size: head[at:].startswith(marks)


_ZIP = b"PK\x03\x04"
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_EXPORT_TENSORFLOW = "a TensorFlow model is not read: convert it to ONNX (python -m tf2onnx.convert)"

SAFETENSORS = Format(
    "a safetensors file",
    (".safetensors",),
    lambda head, size: head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8,
    "safetensors:read_safetensors",
    sure=True,
)

FORMATS = (
    SAFETENSORS,
    Format("a Keras model or a zip archive", (".keras",), _begins(_ZIP), "keras.reading:read_keras", sure=True),
    Format(
        "a Keras or other HDF5 file", (".h5", ".hdf5"), _begins(b"\x89HDF\r\n\x1a\n"), "keras.hdf5:read_hdf5", sure=True
    ),
    # The version is the first field of every ONNX file.
    Format("an ONNX model", (".onnx",), _begins(b"\x08"), "onnx.reading:read_onnx"),
    Format(
        "a PyTorch file or other pickle",
        (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".pt2"),
        _begins(_ZIP, *_PICKLES),
        advice="a PyTorch file is a pickle, which runs code when it is read, and does not say how its weights are "
        "joined: for a network of the zoo give NAME=FILE (resnet18=FILE), else export the model with torch.onnx.export",
    ),
    Format("a TensorFlow Lite model", (".tflite",), _begins(b"TFL3", at=4), advice=_EXPORT_TENSORFLOW),
    Format("a TensorFlow model", (".pb",), lambda head, size: False, advice=_EXPORT_TENSORFLOW),
)
"""The formats of model files; where the bytes fit several, the name decides, and otherwise the first."""

MODEL_SUFFIXES = tuple(suffix for each in FORMATS if each.reader for suffix in each.suffixes)
"""Endings of the files that are read."""


def is_model_file(name: str) -> bool:
    """Return whether a word ends as a model file does, of a kind that is read or that the error tells how to export.

    Example:
        >>> is_model_file("resnet.onnx"), is_model_file("vgg16"), is_model_file("weights.pt")
        (True, False, True)
    """
    return name.lower().endswith(tuple(suffix for each in FORMATS for suffix in each.suffixes))


def recognise(buffer: Buffer, suffix: str) -> Format | None:
    """Return the format of a file, by its content where that tells it, and otherwise by the ending of its name."""
    head, suffix = buffer[:16], suffix.lower()
    fitting = [each for each in FORMATS if each.fits(head, len(buffer))]
    named = [each for each in FORMATS if suffix in each.suffixes]
    sure = [each for each in fitting if each.sure]
    order = [*(each for each in named if each in fitting), *sure, *named, *fitting]
    return next(iter(order), None)


def check_is_trained(buffer: FileBytes, suffix: str) -> None:
    """Check that a file can be a model that cnncli has trained: it begins as a safetensors file does.

    Raises:
        ModelError: it is a model file of another kind, which the message names.
    """
    head, found = buffer[:256], recognise(buffer, suffix)
    if head[8:9] == b"{":
        return
    if found is None or found is SAFETENSORS:
        if len(head) < 8 or int.from_bytes(head[:8], "little") <= len(buffer) - 8:
            return
        kind = "not a model file, or a damaged one"
    else:
        kind = f"{found.what} of another program"
    raise ModelError(
        f"{kind}: give a model that cnncli has trained, the folder of a run or its {RUN_MODEL}, or NAME=FILE for "
        "weights of a network of the zoo (resnet18=FILE)"
    )


def read_model(path: str | Path, input_shape: Shape | None = None, *, shapes: bool = True) -> Summary:
    """Read the network of a model file (ONNX, safetensors or Keras), without running code or reading weights.

    `.h5` files of Keras need the extra `cnncli[keras]`.

    Args:
        path: the file, or the folder of a run.
        input_shape: `(H, W, C)`, where the file leaves it open; or to count the network at another size.
        shapes: whether shapes are needed; without them an input may stay open, and what depends on it is unknown.

    Returns:
        One row for each of the file's own operations or layers; what the file does not tell is None or said to be
        unknown, and the notes and omissions say why.

    Raises:
        ModelError: the file cannot be read, is not sound, leaves its input open, or has shapes that do not fit.
    """
    path, given = Path(path), Path(path)
    if path.is_dir():
        path = path / RUN_MODEL
        if not path.exists():
            raise ModelError(f"{given}: a folder without {RUN_MODEL}: give a model file or the folder of a run")
    with naming_errors(path):
        try:
            with opened(path) as buffer:
                kind = recognise(buffer, path.suffix)
                if kind is None:
                    raise ModelError(f"not a model file that can be read: {', '.join(MODEL_SUFFIXES)}")
                found = kind.read(buffer, path.stem, input_shape, shapes)
                return found._replace(name=given.name) if given != path else found
        except RecursionError as error:
            raise ModelError("nested too deeply") from error


def summarize_network(network: str | Path | Sequence[str], *, input_shape: Shape | None = None) -> Summary:
    """Return the table that `cnncli shape` and `cnncli params` print: shapes, parameters and multiply-adds by layer.

    Args:
        network: a name of the zoo, a text in the notation, a TOML or model file, or the folder of a run.
        input_shape: `(H, W, C)`, to count the network at another size, or where a file leaves it open.

    Raises:
        ArgumentError: there is no such network, or its shapes do not chain.
        ModelError: a model file that cannot be read.

    Example:
        >>> summary = summarize_network("6x6x3 conv3-10")
        >>> summary.totals.params, summary.rows[-1].output_shape
        (280, (4, 4, 10))
    """
    if isinstance(network, str | Path):
        name = str(network)
        if is_model_file(name) or ("\0" not in name and os.path.isdir(name) and name not in zoo_names()):
            return read_model(name, input_shape)
    loaded = load_network(network, input_shape=input_shape)
    summary = loaded.summary()
    return summary if summary.name else summary._replace(name=str(loaded))
