"""The branches of a model file, whose summary lists its operations one after the other."""

from collections.abc import Sequence

from cnncli.errors import CnncliError
from cnncli.networks.summary import Summary


def joined(summary: Summary, words: Sequence[str]) -> Summary:
    """Return the summary of an ONNX file with its residual blocks and branches, where all of its layers are known.

    A file with other operations, or whose layers count otherwise once they are joined, keeps its own summary.

    Args:
        summary: the file's.
        words: the words that named it.
    """
    if len(words) != 1 or not words[0].lower().endswith(".onnx"):
        return summary
    from cnncli.models.importing.onnx import import_onnx

    shape = summary.input_shape
    try:
        found = import_onnx(words[0], shape[:2] if shape is not None and len(shape) == 3 else None).network.summary()
    except CnncliError:
        return summary
    counts, others = ((one.input_shape, one.totals.params, one.totals.macs) for one in (found, summary))
    return found._replace(name=summary.name, title=summary.title, notes=summary.notes) if counts == others else summary
