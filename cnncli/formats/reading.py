"""One door to all model files: what a file is, is told by its content where that can be, else by its name's ending."""

from pathlib import Path

from cnncli.errors import ModelError
from cnncli.formats.files import FileBytes, opened, said_of
from cnncli.networks.summary import Summary
from cnncli.shapes import Shape

MODEL_SUFFIXES = (".onnx", ".safetensors", ".keras", ".h5", ".hdf5")
"""Endings of the files that are read."""

_EXPORT_TORCH = (
    "a PyTorch file is a pickle, which runs code when it is read, and does not say how its weights are joined: export "
    "the model with torch.onnx.export, or its weights with safetensors.torch.save_file"
)
_EXPORT_TENSORFLOW = "a TensorFlow model is not read: convert it to ONNX (python -m tf2onnx.convert)"

RUN_MODEL = "model.safetensors"
"""The file in the folder of a run that holds its network."""

OTHER_SUFFIXES = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".pt2"), _EXPORT_TORCH),
    **dict.fromkeys((".pb", ".tflite"), _EXPORT_TENSORFLOW),
}
"""Endings of model files that are not read, and what to do instead."""


def is_model_file(name: str) -> bool:
    """Whether a word is meant as a model file, by its ending: of a kind that is read, or that is told how to export.

    Example:
        >>> is_model_file("resnet.onnx"), is_model_file("vgg16"), is_model_file("weights.pt")
        (True, False, True)
    """
    return name.lower().endswith((*MODEL_SUFFIXES, *OTHER_SUFFIXES))


def check_is_trained(buffer: FileBytes, suffix: str) -> None:
    """Check that a file can be a model that cnncli has trained: it begins as a safetensors file does.

    Raises:
        ModelError: it is a model file of another kind, which the message names.
    """
    head = buffer[:256]
    if head[8:9] == b"{":
        return
    suffix = suffix.lower()
    if suffix == ".onnx" or head[:1] == b"\x08":
        maker = "that cnncli exported, for other runtimes" if b"cnncli" in head else "of another program"
        kind = f"an ONNX model {maker}"
    elif head.startswith(b"\x89HDF\r\n\x1a\n"):
        kind = "a Keras or other HDF5 file"
    elif head[4:8] == b"TFL3":
        kind = "a TensorFlow Lite model"
    elif head.startswith(b"PK\x03\x04"):
        kind = "a PyTorch file" if OTHER_SUFFIXES.get(suffix) == _EXPORT_TORCH else "a zip archive"
        kind = "a Keras model" if suffix == ".keras" else kind
    elif head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        kind = "a PyTorch file or other pickle"
    elif len(head) >= 8 and int.from_bytes(head[:8], "little") > len(buffer) - 8:
        kind = "not a model file, or a damaged one"
    else:
        return
    raise ModelError(f"{kind}: give a model that cnncli has trained, the folder of a run or its {RUN_MODEL}")


def read_model(path: str | Path, input_shape: Shape | None = None, *, shapes: bool = True) -> Summary:
    """Read what a model file says of its network: ONNX, safetensors or Keras. No code in it is run, no weight is read.

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
    with said_of(path):
        try:
            with opened(path) as buffer:
                found = _read(path, buffer, input_shape, shapes)
                return found._replace(name=given.name) if given != path else found
        except RecursionError as error:
            raise ModelError("nested too deeply") from error


def _read(path: Path, buffer: FileBytes, input_shape: Shape | None, shapes: bool) -> Summary:
    kind = _kind(buffer, path.suffix.lower())
    if kind == "safetensors":
        from cnncli.formats.safetensors import read_safetensors

        return read_safetensors(buffer, path.stem, input_shape)
    if kind == "keras":
        from cnncli.formats.keras.reading import read_keras

        return read_keras(path, path.stem, input_shape, shapes=shapes)
    if kind == "hdf5":
        from cnncli.formats.keras.hdf5 import read_hdf5

        return read_hdf5(path, path.stem, input_shape, shapes=shapes)
    from cnncli.formats.onnx.reading import read_onnx

    return read_onnx(buffer, path.stem, input_shape, shapes=shapes)


def _kind(buffer: FileBytes, suffix: str) -> str:
    head = buffer[:16]
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if head.startswith(b"PK\x03\x04") and suffix not in OTHER_SUFFIXES:
        return "keras"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= len(buffer) - 8:
        return "safetensors"
    if suffix in OTHER_SUFFIXES:
        raise ModelError(OTHER_SUFFIXES[suffix])
    if head.startswith(b"\x80") and head[1:2] in b"\x02\x03\x04\x05" and suffix not in MODEL_SUFFIXES:
        raise ModelError(_EXPORT_TORCH)
    if suffix in MODEL_SUFFIXES:
        return "hdf5" if suffix == ".h5" else suffix[1:]
    if head[:1] == b"\x08":  # the version, the first field of every ONNX file
        return "onnx"
    raise ModelError(f"not a model file that can be read: {', '.join(MODEL_SUFFIXES)}")
