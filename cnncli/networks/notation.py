"""The notation of networks: text to layers.

A network is an input and words: `32x32x3 conv5-6,relu max2 fc-10`. Each word is a layer and its options; `2x` repeats
what follows; `res[ ... | ... ]`, `add[ ... ]` and `cat[ ... | ... ]` are blocks; words of a `define` table are macros.
The layers write themselves: `str` of a layer, or of a network, is its canonical text.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from cnncli.choices import did_you_mean
from cnncli.errors import ArgumentError
from cnncli.networks.errors import NotationError
from cnncli.networks.layers import BLOCKS, LAYERS, Chain, Layer, Repeat, Sequential
from cnncli.networks.layers.fields import DIGITS, FIELDS, FLAGS, LARGEST, LETTERS, read_whole, write_option
from cnncli.networks.words import MAX_WORDS, Span, Word, plain, quote, read_input, split_words
from cnncli.shapes import Shape

L = TypeVar("L", bound=Layer)

MAX_TEXT = 1_000_000
"""Characters of a text."""

MAX_DEPTH = 24
"""Blocks and macros inside one another."""

SYNONYMS = {"swish": "silu", "hardswish": "hswish", "hardsigmoid": "hsigmoid", "upsample": "up2"}
"""The names that layers have elsewhere, with the words for them here."""


def read_notation(
    text: str, define: Mapping[str, str] | None = None
) -> tuple[Shape | None, Sequential, dict[int, Span]]:
    """Read a text, whether or not its shapes chain.

    Args:
        text: the words.
        define: macros: what each name stands for, with `$1`, `$2` for what follows its colon.

    Returns:
        The input, or None where the text leaves it out; the layers; and where each layer is in the text, by its id.

    Raises:
        NotationError: the text is not of the notation; the error knows the place.
    """
    if len(text) > MAX_TEXT:
        raise NotationError(f"the text of a network has at most {MAX_TEXT:,} characters, got {len(text):,}")
    macros = {name: check_macro(name, body) for name, body in (define or {}).items()}
    words = split_words(text)
    first = words[0] if words else Word("", 0, 0)
    input_shape = read_input(first.text)
    if input_shape is not None:
        words.pop(0)
    elif plain(first.text).strip("0123456789x@") == "" and first.text[-1:] != "x":
        raise NotationError(_bad_input(first), text, first.start, first.end)
    reader = _Reader(text, words, macros, Counter())
    layers = reader.read_all(0)
    if not layers:
        message = "a network is an input and layers, such as '6x6x3 conv3-10': got no layer"
        raise NotationError(message, text, first.start, first.end)
    return input_shape, reader.build(Word(text, 0, len(text)), Sequential, layers), reader.spans


def _bad_input(word: Word) -> str:
    if not word.text:
        return "a network is an input and layers, such as '6x6x3 conv3-10': got no word"
    form = f"HxWxC, HxW or C@HxW in whole numbers from 1 to {LARGEST:,}"
    return f"{quote(word.text)} is not an input: write it as {form}"


def check_macro(name: str, body: object) -> str:
    """Return a macro's text.

    Raises:
        NotationError: its name or its text cannot be used.
    """
    if not isinstance(name, str) or not name or not all(letter.isalnum() or letter in "_-." for letter in name):
        raise NotationError(f"a macro's name is letters, digits, '_', '-' and '.', got {quote(name)}")
    if name in LAYERS or name in BLOCKS or name[0].isdigit():
        advice = "choose a name of its own, not a layer's or number"
        raise NotationError(f"a macro cannot be called {quote(name)}: {advice}")
    if not isinstance(body, str) or len(body) > MAX_TEXT:
        raise NotationError(f"macro {quote(name)} must be a text of layers, got {quote(body)}")
    return body


class _Reader:
    """Reads one text: the network's, or a macro's with its arguments in place."""

    def __init__(
        self, text: str, words: list[Word], macros: Mapping[str, str], spent: Counter[str], trail: tuple[str, ...] = ()
    ) -> None:
        self.text, self.words, self.macros, self.spent, self.trail = text, words, macros, spent, trail
        self.position = 0
        self.spans: dict[int, Span] = {}
        spent.update(words=len(words) + 1, characters=len(text))  # macros inside macros may expand without end
        if spent["words"] > MAX_WORDS or spent["characters"] > MAX_TEXT:
            limits = f"{MAX_WORDS:,} words and {MAX_TEXT:,} characters, those of macros counted"
            self.fail(words[0] if words else Word("", 0, 0), f"the text of a network has at most {limits}")

    def fail(self, word: Word, message: str) -> NoReturn:
        where = f"in {' in '.join(reversed(self.trail))}: " if self.trail else ""
        raise NotationError(f"{where}{message}", self.text, word.start, word.end)

    def build(self, word: Word, kind: Callable[..., L], *args: Any, **kwargs: Any) -> L:
        """Make a layer, and note its place; its errors point to that place."""
        try:
            layer = kind(*args, **kwargs)
        except ArgumentError as error:
            self.fail(word, f"{quote(word.text)}: {error}" if word.end - word.start < 60 else str(error))
        self.spans[id(layer)] = word.start, word.end
        return layer

    def peek(self) -> str:
        return self.words[self.position].text if self.position < len(self.words) else ""

    def read_all(self, depth: int) -> tuple[Layer, ...]:
        layers = self.read_items(depth)
        if self.position < len(self.words):
            word = self.words[self.position]
            self.fail(word, f"{quote(word.text)} without a block before it, such as res[ conv3-64,same ]")
        return layers

    def read_items(self, depth: int) -> tuple[Layer, ...]:
        layers: list[Layer] = []
        while self.position < len(self.words) and self.peek() not in ("]", "|"):
            layers.extend(self.read_item(depth))
        return tuple(layers)

    def read_item(self, depth: int) -> tuple[Layer, ...]:
        word = self.words[self.position]
        self.position += 1
        count, rest = self.split_repeat(word)
        if self.peek() == "[" or word.text == "[":
            layers = self.read_block(word, rest, depth)
        elif rest.text.partition(":")[0] in self.macros:
            layers = self.expand(rest, depth)
        else:
            layers = (self.read_layer(rest),)
        if count is None or not layers:
            return layers
        return (self.build(Word(word.text, word.start, self.words[self.position - 1].end), Repeat, count, layers),)

    def split_repeat(self, word: Word) -> tuple[int | None, Word]:
        """Split `2xconv3-64` into 2 and the rest."""
        digits, x, rest = plain(word.text).partition("x")
        if not x or not digits.isascii() or not digits.isdigit():
            return None, word
        count = read_whole(digits)
        if not count:
            self.fail(word, f"{quote(word.text)}: repeats are a whole number from 1 of at most {DIGITS} digits")
        if read_input(word.text):
            self.fail(word, f"{quote(word.text)} is an input: give one input, before the layers")
        if not rest and self.peek() != "[":
            self.fail(word, f"{quote(word.text)} has nothing to repeat: write 2xconv3-64, or 2x[ conv3-64 max2 ]")
        return count, Word(word.text[len(word.text) - len(rest) :], word.end - len(rest), word.end)

    def read_block(self, word: Word, rest: Word, depth: int) -> tuple[Layer, ...]:
        name = plain(rest.text)
        if word.text == "[" or (name and name not in BLOCKS):
            known = f"write {', '.join(BLOCKS)} or 2x before the bracket"
            self.fail(rest, f"{quote(rest.text)} does not begin a block: {known}")
        if depth >= MAX_DEPTH:
            self.fail(rest, f"blocks are nested at most {MAX_DEPTH} deep")
        branches = self.read_branches(rest, depth)
        place = Word(f"{name}[ ]", word.start, self.words[self.position - 1].end)
        if not name:
            if len(branches) > 1 or not branches[0]:
                self.fail(place, "repeated layers are one sequence: write 2x[ conv3-64 max2 ]")
            return branches[0]
        paths = [self.build(place, Sequential, branch) for branch in branches]
        return (self.build(place, BLOCKS[name].of, paths),)

    def read_branches(self, opening: Word, depth: int) -> list[tuple[Layer, ...]]:
        branches = []
        while self.peek() in ("[", "|") and self.peek():
            self.position += 1
            branches.append(self.read_items(depth + 1))
        if self.peek() != "]":
            self.fail(opening, f"{quote(opening.text + '[')} has no closing ]")
        self.position += 1
        return branches

    def expand(self, word: Word, depth: int) -> tuple[Layer, ...]:
        """Return the layers of a macro, with its arguments inserted."""
        name, colon, given = word.text.partition(":")
        if name in self.trail:
            self.fail(word, f"macro {quote(name)} uses itself")
        if depth >= MAX_DEPTH:
            self.fail(word, f"macros are nested at most {MAX_DEPTH} deep")
        body = self.fill(word, self.macros[name], given.split(",") if colon else [])
        words = split_words(body)
        inner = _Reader(body, words, self.macros, self.spent, (*self.trail, name))
        layers = inner.read_all(depth + 1)
        self.spans.update(dict.fromkeys(inner.spans, (word.start, word.end)))
        return layers

    def fill(self, word: Word, body: str, arguments: list[str]) -> str:
        """Put arguments in place of `$1`, `$2`."""
        pieces = body.split("$")
        numbers = [read_whole(piece[:1]) for piece in pieces[1:]]
        if not all(numbers):
            self.fail(word, f"macro {quote(word.text)}: arguments are $1 to $9")
        wanted = max((number or 0 for number in numbers), default=0)
        if wanted != len(arguments) or not all(arguments):
            example = word.text.partition(":")[0] + ":" * bool(wanted) + ",".join(["64"] * wanted)
            self.fail(word, f"{quote(word.text)}: takes {wanted} argument{'s' * (wanted != 1)}, such as {example}")
        filled = (arguments[(number or 1) - 1] + piece[1:] for number, piece in zip(numbers, pieces[1:], strict=True))
        return pieces[0] + "".join(filled)

    def read_layer(self, word: Word) -> Layer:
        """Read one word: a layer, its options, and the layers that follow it with theirs."""
        head, *options = word.split()
        kind, fields = self.read_head(head)
        followers: list[tuple[Word, type[Layer], dict[str, Any]]] = []
        for option in options:
            name, value = _read_option(plain(option.text))
            if not name:
                followers.append((option, *self.read_follower(option, kind)))
            elif followers and _takes(followers[-1][1], name):
                self.set_option(option, *followers[-1][1:], name, value)
            else:
                self.set_option(option, kind, fields, name, value)
        if followers and followers[0][1].removes_mean and "bias" in kind.fields:
            fields.setdefault("bias", False)
        layer = self.build(word, kind, **fields)
        after = [self.build(option, follower, **its) for option, follower, its in followers]
        return self.build(word, Chain, (layer, *after)) if after else layer

    def read_head(self, word: Word) -> tuple[type[Layer], dict[str, Any]]:
        """Read the word before the options: `conv3-64` is conv, a size and filters."""
        text = plain(word.text)
        op = op_of(text)
        kind = LAYERS.get(op)
        if kind is None:
            self.fail(word, self.unknown(word, op))
        size, _, filters = text[len(op) :].partition("-")
        if not kind.filters_field:
            size, filters = text[len(op) :].removeprefix("-"), ""
        fields: dict[str, Any] = {}
        self.read_number(word, kind, kind.size_field, size, fields)
        self.read_number(word, kind, kind.filters_field, filters, fields)
        return kind, fields

    def unknown(self, word: Word, op: str) -> str:
        if word.text in BLOCKS:
            return f"{quote(word.text)} is a block: write {word.text}[ conv3-64,same ]"
        if word.text == "...":
            return "'...' stands for layers that are left out: write them all"
        if op in SYNONYMS:
            return f"unknown layer {quote(word.text)}: it is written {SYNONYMS[op]}"
        layers, name = {*LAYERS, *self.macros}, op or word.text
        # A layer is nearer than a block, which would have a bracket behind it.
        hint = did_you_mean(name, layers, did_you_mean(name, sorted({*layers, *BLOCKS})))
        return f"unknown layer {quote(word.text)}: {hint}"

    def read_number(self, word: Word, kind: type[Layer], field: str, text: str, fields: dict[str, Any]) -> None:
        """Read the number after the word or after the dash."""
        if not text and (not field or field in kind.defaults):
            return
        value = FIELDS[field].kind.read(text) if field else None
        if value is None:
            optional = " (the number may be left out)" if kind.size_field in kind.defaults else ""
            wrong = f"; {quote(text)} must be {FIELDS[field].kind.form}" if field and text else ""
            self.fail(word, f"{quote(word.text)}: {kind.op} is written {kind.example()}{optional}{wrong}")
        fields[field] = value

    def set_option(self, word: Word, kind: type[Layer], fields: dict[str, Any], name: str, value: Any) -> None:
        """Set a field to the value that an option gives it; None where the option has a wrong form."""
        if not _takes(kind, name):
            self.fail(word, f"{kind.op} does not take the option {quote(word.text)}: {_options(kind)}")
        if value is None:
            self.fail(word, f"option {quote(word.text)}: {FIELDS[name].letters} takes {FIELDS[name].kind.form}")
        if name in fields:
            self.fail(word, f"option {quote(word.text)}: {name.replace('_', ' ')} is set twice in this word")
        fields[name] = value

    def read_follower(self, word: Word, kind: type[Layer]) -> tuple[type[Layer], dict[str, Any]]:
        """Read an option that is a layer itself, such as relu."""
        if not word.text:
            self.fail(word, "an option is missing before or after a comma")
        op = op_of(plain(word.text))
        if op not in LAYERS or not LAYERS[op].follows:
            self.fail(word, f"{quote(word.text)} {_no_option(op, kind)}")
        return self.read_head(word)


def _read_option(text: str) -> tuple[str, Any]:
    """Return the field that an option sets, empty where it sets none, and the value, None where it has a wrong form."""
    if text in FLAGS:
        return FLAGS[text]
    letters = _first_letters(text)
    if text in LAYERS or letters not in LETTERS:
        return "", None
    return LETTERS[letters], FIELDS[LETTERS[letters]].kind.read(text[len(letters) :])


def _takes(kind: type[Layer], field: str) -> bool:
    return field in kind.fields and field not in (kind.size_field, kind.filters_field)


def _first_letters(text: str) -> str:
    return text[: len(text) - len(text.lstrip("abcdefghijklmnopqrstuvwxyz"))]


def op_of(text: str) -> str:
    """Return the layer's word that a word begins with, `conv` of `conv3-64`; or else its first letters."""
    letters = _first_letters(text)
    if text in LAYERS or letters in LAYERS:
        return text if text in LAYERS else letters
    # A word with a digit inside it, such as s2d: the letter after it is not one of the word.
    return next((op for op in LAYERS if text.startswith(op) and not text[len(op) :][:1].isalpha()), letters)


@lru_cache(maxsize=1024)  # a network repeats itself
def kinds_of(word: str) -> tuple[type[Layer], ...]:
    """Return the classes of the layers that a word names, with its options.

    Example:
        >>> [kind.__name__ for kind in kinds_of("conv3-64,same,bn")]
        ['Conv', 'BatchNorm']
    """
    return tuple(LAYERS[op] for part in word.split(",") if (op := op_of(part)) in LAYERS)


def _no_option(op: str, kind: type[Layer]) -> str:
    if op in LAYERS:
        return "is a layer: put a space before it, not a comma"
    known = {name for name, layer in LAYERS.items() if layer.follows} | set(FLAGS)
    return f"is not an option of {kind.op}: {did_you_mean(op, known, _options(kind))}"


def _options(kind: type[Layer]) -> str:
    fields = set(kind.fields) - {kind.size_field, kind.filters_field}
    shown = [write_option(name, FIELDS[name].example) for name in LETTERS.values() if name in fields]
    shown += [word for word, (name, _) in FLAGS.items() if name in fields]
    if not shown:
        return "only what follows it, such as relu"
    return f"it takes {', '.join(shown)}, and what follows it, such as bn and relu"
