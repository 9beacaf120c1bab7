"""The inputs of an ONNX graph: their dimensions, and where their channels lie."""

from collections.abc import Sequence

from cnncli.errors import ModelError
from cnncli.formats.files import dimensions, named
from cnncli.formats.onnx.graph import GraphInput, Node
from cnncli.formats.onnx.tensors import Tensor
from cnncli.formats.tensor_shapes import Dimensions, written
from cnncli.shapes import Shape, show_shape


def first_input(each: GraphInput, input_shape: Shape | None, nodes: Sequence[Node], shapes: bool = True) -> Tensor:
    """Return the first input with every dimension known: an open batch is 1.

    Raises:
        ModelError: a dimension stays open although `shapes` are needed, or `input_shape` has another number of them.
    """
    said = each.dimensions
    if said is None and input_shape is None:
        if not shapes:
            return Tensor(None, channels_last=False, name=each.name)
        raise ModelError(f"the input {named(each.name)} has no shape: give it with --input HxWxC")
    said = ("?",) * (len(input_shape or ()) + 1) if said is None else said
    last = is_channels_last(each.name, said, nodes)
    batch = () if len(said) < 2 or is_alone(said, input_shape) else (said[0] if isinstance(said[0], int) else 1,)
    if input_shape is not None:
        if len(input_shape) != len(said) - len(batch):
            batch_first = ", the batch first" if batch else ""
            raise ModelError(
                f"--input gives {written(input_shape)}, but the input {named(each.name)} is "
                f"{show_shape(map(named, said))}{batch_first}: give {_wanted(said, last)}"
            )
        turn = len(input_shape) in (3, 4) and not last
        example = (input_shape[-1], *input_shape[:-1]) if turn else input_shape
        return Tensor(dimensions((*batch, *example), "--input", 1), channels_last=last, name=each.name)
    sizes = (*batch, *said[len(batch) :])
    known = tuple(size for size in sizes if isinstance(size, int))
    if len(known) < len(sizes):
        if not shapes:
            return Tensor(None, channels_last=last, name=each.name)
        raise ModelError(_open(each.name, said, last))
    return Tensor(dimensions(known, f"the input {named(each.name)}", 1), channels_last=last, name=each.name)


def further_input(each: GraphInput) -> Tensor:
    """Return another input, of unknown shape where a dimension other than the batch is open."""
    said = each.dimensions or ()
    sizes = [1 if index == 0 and isinstance(size, str) else size for index, size in enumerate(said)]
    known = tuple(size for size in sizes if isinstance(size, int))
    there = each.dimensions is not None and len(known) == len(sizes)
    return Tensor(known if there else None, name=each.name)


def is_alone(said: Sequence[int | str], input_shape: Shape | None) -> bool:
    """Return whether an input is a picture without a batch, channels first, as PyTorch's detectors take it."""
    return len(said) == 3 and said[0] in (1, 3, 4) and input_shape is not None and len(input_shape) == 3


def _wanted(said: Sequence[int | str], channels_last: bool) -> str:
    """Return a suggestion for --input: fixed sizes, and letters for the others; channels last."""
    sizes = list(said[1:] if len(said) > 1 else said)
    letters = list("LC"[-len(sizes) :] if len(sizes) < 3 else "DHWC"[-len(sizes) :])
    if len(sizes) == 2:
        letters = ["A", "B"]
    elif len(sizes) == 1:
        letters = ["N"]
    elif not channels_last:
        sizes = [*sizes[1:], *sizes[:1]]
    letters += "?" * (len(sizes) - len(letters))
    return "x".join(str(size) if isinstance(size, int) else letter for size, letter in zip(sizes, letters, strict=True))


def _open(name: str, said: Dimensions | tuple[int | str, ...], channels_last: bool) -> str:
    shown = show_shape(map(named, said))
    wanted = _wanted(said, channels_last)
    return f"the input {named(name)} is {shown}, which leaves dimensions open: give them with --input {wanted}"


def is_channels_last(name: str, said: tuple[int | str, ...], nodes: Sequence[Node]) -> bool:
    """Return whether an input is (N, H, W, C), as TensorFlow's exporters leave it: by a node after it, or its sizes."""
    if len(said) != 4:
        return False
    turned = any(
        node.op == "Transpose" and name in node.inputs and node.attributes.get("perm") == [0, 3, 1, 2] for node in nodes
    )
    return turned or (said[3] in (1, 3) and said[1] not in (1, 3))
