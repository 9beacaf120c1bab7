"""The translation of each operation: the registry `TRANSLATORS`, by ONNX's names for them.

A translator adds the pieces of a node and gives its outputs. A setting that it does not know it must refuse: a network
that computes something else would be worse than none.
"""

from cnncli.models.importing.graphs.nodes import arithmetic, moving, norms, pointwise, products, resizing, windows
from cnncli.models.importing.graphs.nodes.base import Translator

__all__ = ["TRANSLATORS", "Translator"]

TRANSLATORS: dict[str, Translator] = {
    name: translator
    for module in (windows, products, arithmetic, moving, pointwise, norms, resizing)
    for name, translator in module.TRANSLATORS.items()
}
