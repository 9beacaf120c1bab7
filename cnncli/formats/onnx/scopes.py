"""The graphs inside a graph's nodes: branches, loops and functions, each with names of its own."""

from collections import ChainMap
from typing import NamedTuple

from cnncli.formats.onnx.graph import Attribute, Node, Reference
from cnncli.formats.tensor_shapes import Tensor


class Scope(NamedTuple):
    """Where nodes look names up.

    Attributes:
        tensors: what is known by its name: of this graph, then of those around it.
        path: what the names of its rows begin with.
        home: what the keys of its constants begin with: those of a function are one's, however often it is called.
        settings: what a call gives to a function.
    """

    tensors: ChainMap[str, Tensor]
    path: str = ""
    home: str = ""
    settings: dict[str, Attribute] | None = None

    def inner(self, name: str) -> "Scope":
        """Return the scope of a graph in a node, which sees all names outside."""
        return self._replace(tensors=self.tensors.new_child(), path=f"{self.path}{name}/", home=f"{self.home}{name}/")

    def called(self, name: str, function: str, settings: dict[str, Attribute]) -> "Scope":
        """Return the scope of a function that a node calls, which sees no name outside."""
        return Scope(ChainMap(), f"{self.path}{name}/", f"{function}:", settings)

    def settled(self, node: Node) -> Node:
        """Return a node with the settings that its function was called with."""
        if self.settings is None or not any(isinstance(each, Reference) for each in node.attributes.values()):
            return node
        given = {
            name: self.settings.get(value.name) if isinstance(value, Reference) else value
            for name, value in node.attributes.items()
        }
        return node._replace(attributes={name: value for name, value in given.items() if value is not None})
