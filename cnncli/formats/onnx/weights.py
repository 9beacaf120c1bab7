"""The parameters among the constants of an ONNX graph: the format does not tell, but their use and numbers do.

A convolution's or a matrix product's constant is a weight whatever it holds. A constant that is added, multiplied or
joined may be learned (a layer scale, a class token, position embeddings) or made (a mask, a grid, anchors, a mean):
it was made where an exporter has computed it or written it into the graph, and where its numbers are round.
"""

import re
from math import prod
from typing import NamedTuple

from cnncli.formats.onnx.graph import FILLED, LITERAL, STORED, Constant, kind_of_numbers
from cnncli.formats.onnx.operations import OPERATIONS, Call, Operation
from cnncli.formats.onnx.protobuf import Reader
from cnncli.formats.safetensors import UNTRAINED

MAX_SOURCES = 64

MAX_LOOKED_AT = 2**24
"""Numbers that are looked at in one file at most, to tell masks and fresh arrays from trained ones."""

_COMPUTED = re.compile(
    r"^onnx::|^/|_output_\d+$|(^|_)val_\d|const|^_?\d+$|scalar_tensor|lifted_tensor|"
    r"^(index|unsqueeze|squeeze|view|reshape|permute|transpose|expand|slice)(_\d+)?$|"
    r"^(add|mul|sub|div|cat|stack|sin|cos|select|clone|pow|where|full|zeros|ones|arange)(_\d+)?$|^(sum|mean)_\d+$",
    re.I,
)
"""Names that exporters give to computed constants, unlike the names of parameters."""

_COMBINED = re.compile(r"^((add|mul|sub|div|pow|where)(_\d+)?|(sum|mean)_\d+)$", re.I)
"""Names of arithmetic: several such constants may come from one trained number, such as a gate g and 1 - g."""

_SCALED = ("Add", "Sub", "Mul", "Div")


class Found(NamedTuple):
    """Counts of the numbers that come in by a node and that no node before had.

    Attributes:
        params: trained ones.
        buffers: kept but not trained.
        repeated: those of the parameters that a node before had too, and which are taken for equal arrays of others.
    """

    params: int = 0
    buffers: int = 0
    repeated: int = 0


class WeightCounter:
    """The constants of a model, and those of them that were counted.

    Attributes:
        constants: by keys that no two of them share.
        shared: those that several nodes use.
        ambiguous: whether an array was used again that may be shared as well as several that are equal.
    """

    def __init__(self, reader: Reader, producer: str) -> None:
        self.constants: dict[str, Constant] = {}
        self.shared: set[str] = set()
        self.ambiguous = False
        self._names_equals = False  # the exporter has given equal arrays names of their own
        self._doubtful: dict[str, Constant] = {}
        self._reader, self._producer = reader, producer
        self._looked_at = 0
        self._kinds: dict[str, str] = {}
        self._counted: set[str] = set()
        self._weighing: set[str] = set()

    @property
    def doubtful(self) -> dict[str, Constant]:
        """The constants that an exporter computed, perhaps from trained numbers."""
        return {key: constant for key, constant in self._doubtful.items() if key not in self._counted}

    def is_doubtful(self, source: str) -> bool:
        """Return whether a constant is one of the doubtful ones, as far as the graph was followed."""
        return source in self._doubtful and source not in self._counted

    def add(self, key: str, constant: Constant) -> None:
        """Take a constant in."""
        self.constants.setdefault(key, constant)

    def handed_on(self, call: Call, home: str) -> tuple[str, ...]:
        """Return the constants that a node's constant output depends on; `home` begins its graph's keys."""
        operation = call.operation
        if operation.fresh:
            return ()
        if operation.alias:
            return self._alias(call.tensor(0).sources, call.node.outputs[0], home)
        left_out = (*operation.settings, *operation.buffers)
        used = [(index, each) for index, each in enumerate(call.inputs) if each is not None and index not in left_out]
        for index, each in used:
            if index in operation.quantized or (index in operation.weights and index):
                self._weighing.update(source for source in each.sources if self._can_weigh(source, operation, index))
        names = [
            source
            for index, each in used
            for source in each.sources
            if not (index in operation.norm and self._is_filler(source, operation.norm.index(index)))
        ]
        return tuple(dict.fromkeys(names))[:MAX_SOURCES]

    def count(self, call: Call) -> Found:
        """Return the parameters and buffers that come in by a node, and were not counted before."""
        roles: dict[str, list[str]] = {"params": [], "buffers": []}
        for index, tensor in enumerate(call.inputs):
            if tensor is None or not tensor.constant or index in call.operation.settings:
                continue
            for source in tensor.sources:
                if role := self._role(source, call, index):
                    roles[role].append(source)
        params, repeated = self._new(roles["params"], call)
        buffers, more = self._new(roles["buffers"], call)
        return Found(params + repeated, buffers + more, repeated)

    def _role(self, source: str, call: Call, index: int) -> str:
        """Return "params", "buffers", or nothing for a mere setting."""
        constant, operation = self.constants[source], call.operation
        made_table = operation.table and constant.origin == LITERAL
        weighs = (
            (index in operation.weights and not made_table) or index in operation.quantized or source in self._weighing
        )
        if not (source in self._weighing or self._can_weigh(source, operation, index)):
            return ""
        if index in operation.buffers or constant.name.endswith(UNTRAINED):
            return "buffers"
        if f"{source.removesuffix('_scale')}_zero_point" in self.constants:  # how a quantizer calls a weight's scale
            return ""
        if _is_made(constant) and constant.size == 1:
            return "params" if weighs and len(call.tensor(index).sources) == 1 else ""
        if weighs:
            # Filters may have been made: a blur before pooling has binomial numbers.
            blur = operation.bias_axis == 1 and _is_made(constant) and self._kind(source) == "round"
            return "buffers" if blur else "params"
        if index in operation.norm:
            return "" if self._is_filler(source, operation.norm.index(index)) else "params"
        if index in operation.states and _is_made(constant) and self._kind(source) == "zero":
            return ""
        return self._role_by_numbers(source, call, index)

    def _can_weigh(self, source: str, operation: Operation, index: int) -> bool:
        return self.constants[source].floating or index in operation.quantized

    def _role_by_numbers(self, source: str, call: Call, index: int) -> str:
        """Return the role of an operand that is added, multiplied or joined."""
        constant, made, kind = self.constants[source], _is_made(self.constants[source]), self._kind(source)
        if kind == "round" or (_scales_pixels(call, constant) and not _is_bias(call, index)):
            return "" if made else "buffers"
        if not made or (constant.origin == LITERAL and _is_bias(call, index)):
            return "params"
        if constant.origin == FILLED or (constant.origin == LITERAL and (kind or self._producer == "pytorch")):
            return ""
        # A layer's scale, a norm's shift or a token, of another rank; a shift of rank 1 may be several biases joined.
        if (
            _is_vector(constant)
            and not _COMBINED.search(constant.name)
            and (call.node.op in ("Mul", "Concat") or (call.node.op == "Add" and constant.shape[1:]))
        ):
            return "params"
        self._doubtful[source] = constant
        return ""

    def _is_filler(self, source: str, part: int) -> bool:
        """Return whether a constant is the scale of 1 (part 0) or shift of 0 that exporters add to bare norms."""
        constant = self.constants[source]
        return constant.origin != FILLED and _is_made(constant) and self._kind(source) == ("one", "zero")[part]

    def _alias(self, sources: tuple[str, ...], name: str, home: str) -> tuple[str, ...]:
        """Return the constant that another name refers to.

        PyTorch's exporter writes equal arrays once, and hands them on by a node to where another array was: the
        biases of a fresh network are many arrays that hold zeros. Equal arrays of trained numbers are one.
        """
        if len(sources) != 1 or not self._is_untrained(sources[0]):
            return sources
        self._names_equals = True
        self.add(home + name, self.constants[sources[0]]._replace(name=name))
        return (home + name,)

    def _is_untrained(self, source: str) -> bool:
        constant = self.constants[source]
        return constant.floating and constant.origin == STORED and bool(self._kind(source))

    def _kind(self, source: str) -> str:
        if source not in self._kinds:
            constant = self.constants[source]
            self._kinds[source] = kind_of_numbers(self._reader, constant, MAX_LOOKED_AT - self._looked_at)
            self._looked_at += constant.size if self._kinds[source] else 0
        return self._kinds[source]

    def _new(self, sources: list[str], call: Call) -> tuple[int, int]:
        """Count constants that were not counted before, and those that are counted again.

        Exporters write equal arrays of a fresh network once, its biases of 0 and scales of 1. Where they do not give
        the others names of their own, a vector of one number that a layer has beside its weight, or a norm, is taken
        for another; what is multiplied or joined twice may be either.
        """
        sources = list(dict.fromkeys(sources))
        new = [source for source in sources if source not in self._counted]
        old = [source for source in sources if source in self._counted]
        equal = not self._names_equals and all(
            _is_vector(self.constants[each]) and self._is_untrained(each) for each in old
        )
        beside = new or call.operation.norm or any(_is_bias(call, index) for index in (0, 1))
        self._counted.update(new)
        if equal:
            self.ambiguous |= bool(old) and not beside
        else:
            self.shared.update(old)
        repeated = sum(self.constants[source].size for source in old) if equal else 0
        return sum(self.constants[source].size for source in new), repeated


def _is_made(constant: Constant) -> bool:
    """Return whether an exporter computed a constant, which it then names in its own way."""
    return constant.origin != STORED or _COMPUTED.search(constant.name) is not None


def _is_vector(constant: Constant) -> bool:
    return len([size for size in constant.shape if size != 1]) <= 1


def _is_bias(call: Call, index: int) -> bool:
    """Return whether a number for each feature or channel is added to a product."""
    if call.node.op != "Add" or len(call.inputs) != 2:
        return False
    constant, other = call.inputs[index], call.inputs[1 - index]
    if constant is None or other is None or not constant.shape or not other.shape:
        return False
    axis = OPERATIONS[other.op].bias_axis if other.op in OPERATIONS else None
    if axis == -1:
        return prod(constant.shape) == constant.shape[-1] == other.shape[-1]
    return axis == 1 and prod(constant.shape) == other.shape[1] and constant.shape[-1] == 1


def _scales_pixels(call: Call, constant: Constant) -> bool:
    """Return whether a constant is the mean or deviation of pixels, a number for each channel, at the model's input."""
    pixels = any(not each.op for each in call.data)
    named = constant.name.endswith(("mean", "std")) or constant.name.startswith(("normaliz", "normalis"))
    return call.node.op in _SCALED and pixels and (named or 1 < constant.size <= 4)
