"""Records that never change: classes whose annotations are their fields.

A frozen dataclass says the same in the same words, but Python compiles its methods anew in every process: 0.32 ms a
class, with slots 0.33 ms, against 0.01 ms for a `Value`, whose methods are there once for all classes. `params vgg16`
defines 66 of them, in a program whose whole start is to take fifty milliseconds (Python 3.11.7, two cores;
`benchmarks/records.py`).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, Self, TypeVar, TypeVarTuple, dataclass_transform, get_origin
from weakref import ref

R = TypeVar("R")
V = TypeVar("V", bound="Value")
Ts = TypeVarTuple("Ts")


@dataclass_transform(frozen_default=True)
class Value:
    """An immutable record; subclasses annotate their fields, inherited fields first, and may override `validate`.

    Two values are equal when their classes and all their fields are.

    Raises:
        TypeError: a field that is missing, unknown or given twice.

    Example:
        >>> class Point(Value):
        ...     x: int
        ...     y: int = 0
        >>> Point(3)
        Point(x=3, y=0)
        >>> Point(3).replace(y=4) == Point(3, 4)
        True
    """

    fields: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        own = [name for name, kind in cls.__annotations__.items() if str(get_origin(kind)) != "typing.ClassVar"]
        cls.fields = (*cls.fields, *(name for name in own if name not in cls.fields))
        cls.defaults = {**cls.defaults, **{name: vars(cls)[name] for name in own if name in vars(cls)}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = dict(zip(self.fields, args, strict=False))
        values = {**self.defaults, **given, **kwargs}
        if len(args) > len(self.fields) or len(values) != len(self.fields) or given.keys() & kwargs.keys():
            raise TypeError(f"{type(self).__name__} takes ({', '.join(self.fields)}), got {args} and {kwargs}")
        if not values.keys() <= set(self.fields):
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(values.keys() - set(self.fields)))}")
        self.__dict__.update(values)
        self.validate()

    def validate(self) -> None:
        """Check the fields, and put those that can be given in several forms into one (with `normalize`)."""

    def normalize(self, **fields: Any) -> None:
        """Put fields into the one form that they are kept in: for `validate` alone."""
        if unknown := fields.keys() - self.__dict__.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        self.__dict__.update(fields)

    def replace(self, **fields: Any) -> Self:
        """Return a copy with other values in some fields."""
        return type(self)(**{**{name: getattr(self, name) for name in self.fields}, **fields})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} never changes: use replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} never changes: {name} stays")

    def _values(self) -> tuple[object, ...]:
        return tuple(map(self.__dict__.__getitem__, self.fields))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.fields)
        return f"{type(self).__name__}({shown})"


def remembered(function: Callable[[V, *Ts], R]) -> Callable[[V, *Ts], R]:
    """Let a function of a value remember its last result, with the other arguments, for as long as the value lives.

    Values are told apart by identity: the hash of one that holds many others takes as long as most functions.
    """
    known: dict[int, tuple[ref[V], tuple[object, ...], R]] = {}

    @wraps(function)
    def remembering(value: V, *args: *Ts) -> R:
        key = id(value)
        found = known.get(key)
        if found is not None and found[0]() is value and found[1] == args:
            return found[2]
        result = function(value, *args)

        def forget(_: ref[V]) -> None:
            known.pop(key, None)

        known[key] = ref(value, forget), args, result
        return result

    return remembering
