"""What the layers of a model make of a picture."""

from cnncli.errors import ArgumentError
from cnncli.models.model import Array, Model


def feature_names(model: Model) -> list[str]:
    """Return the names of the layers, in the order of computation.

    `0.conv` is what the convolution of the first word makes, `0` what the whole word does, its options included;
    `4.res.main.0.conv` is inside a block.
    """
    import numpy as np

    return [name for name, _ in model.engine().activations(np.zeros((1, *model.input_shape), np.float32))]


def features(model: Model, picture: Array, layer: str) -> Array:
    """Return what a layer makes of a picture.

    Args:
        model: the model.
        picture: (H, W, C) on the scale 0 to 255, as `read_picture` gives it.
        layer: its name, one of `feature_names`, or the place of a word in the network's text, from 0.

    Returns:
        (H_out, W_out, C_out), or (N,) after a flatten or a fully connected layer.

    Raises:
        ArgumentError: there is no such layer; the message says which there are.

    Example:
        >>> from cnncli.models.model import load_model
        >>> features(load_model("runs/digits"), picture, "0.relu").shape  # doctest: +SKIP
        (28, 28, 16)
    """
    normalized = model.normalization.apply(picture[None])
    outputs = dict(model.engine().activations(normalized))
    # What a whole word makes comes last of all that its layers make.
    name = layer if layer in outputs else next((name for name in reversed(outputs) if _word(name) == layer), None)
    if name is None:
        raise ArgumentError(f"the model has no layer {layer!r}: there are {', '.join(outputs)}")
    found: Array = outputs[name][0]
    return found


def _word(name: str) -> str:
    return name.partition(".")[0]
