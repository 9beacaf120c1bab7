"""What a user says about a model whose file does not say it."""

from collections import Counter
from collections.abc import Sequence

from cnncli.data.normalization import Normalization
from cnncli.errors import ArgumentError, reason
from cnncli.values import Value

MAX_LETTERS = 4 << 20
"""Letters of a list of classes that are read at most; those of ImageNet-21k have half a million."""


class Told(Value):
    """What is told about a model: it overrules what its file says.

    Attributes:
        classes: names of the classes, in the order of the outputs.
        normalization: of the pictures; may be given as a name in `NORMALIZATIONS`, such as `imagenet`, or as a mean and
            a std, each a list of numbers for pixels from 0 to 1 or from 0 to 255. One number stands for all channels.
        size: (height, width) of the pictures.

    Raises:
        ArgumentError: fewer than two classes, or one named twice; a normalization that is none.

    Example:
        >>> told = Told(classes=["ant", "bee"], normalization="imagenet")
        >>> told.classes, told.normalization.std
        (('ant', 'bee'), (58.395, 57.12, 57.375))
        >>> Told(normalization=([0.5], [0.5])).normalization
        Normalization(mean=(127.5,), std=(127.5,))
    """

    classes: tuple[str, ...] | None = None
    normalization: Normalization | None = None
    size: tuple[int, int] | None = None

    def validate(self) -> None:
        given: object = self.normalization
        if isinstance(given, str):
            self.normalize(normalization=Normalization.called(given))
        elif isinstance(given, tuple):
            self.normalize(normalization=Normalization.of_numbers(*given))
        if self.classes is None:
            return
        self.normalize(classes=tuple(self.classes))
        if wrong := _wrong_classes(self.classes):
            raise ArgumentError(wrong)

    @classmethod
    def of_texts(
        cls,
        classes: str | None = None,
        normalization: str | None = None,
        mean: str | None = None,
        std: str | None = None,
        size: tuple[int, int] | None = None,
    ) -> "Told":
        """Return what texts say: the file of the classes, the name of a normalization, or its numbers and commas.

        Raises:
            ArgumentError: they contradict one another, or cannot be read.

        Example:
            >>> Told.of_texts(mean="0.5", std="0.5").normalization
            Normalization(mean=(127.5,), std=(127.5,))
        """
        names = None if classes is None else read_class_list(classes)
        if (mean is None) != (std is None):
            raise ArgumentError("--mean and --std belong together: give both, such as --mean 0.5 --std 0.5")
        if mean is None or std is None:
            return cls(names, None if normalization is None else Normalization.called(normalization), size)
        if normalization is not None:
            raise ArgumentError("--normalize names a mean and a std: leave out either it or --mean and --std")
        return cls(names, Normalization.of_numbers(_numbers(mean, "--mean"), _numbers(std, "--std")), size)


def _wrong_classes(names: Sequence[str]) -> str:
    """Return what is wrong with names of classes; empty for nothing."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if len(names) >= 2 and not twice:
        return ""
    found = f"{twice[0]!r} twice" if twice else f"{len(names)}"
    return f"a model needs the names of two classes or more, each once, got {found}"


def _numbers(text: str, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        form = "numbers separated by commas, one for each channel"
        raise ArgumentError(f"{name} must be {form}, got {text!r}") from error


def read_class_list(path: str) -> tuple[str, ...]:
    """Return the names of classes that a text file lists, one a line; blank lines at the end do not count.

    Raises:
        ArgumentError: it cannot be read, has an empty line between others, names fewer than two, or one twice.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(MAX_LETTERS + 1)
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path}: not a text in UTF-8: give a list of classes, one a line") from error
    except (OSError, ValueError) as error:
        raise ArgumentError(f"{path}: {reason(error)}") from error
    if len(text) > MAX_LETTERS:
        raise ArgumentError(f"{path}: more than {MAX_LETTERS} letters: not a list of classes")
    names = [line.strip() for line in text.rstrip().splitlines()]
    if "" in names:
        raise ArgumentError(f"{path}: line {names.index('') + 1} is empty: give the name of a class on every line")
    if wrong := _wrong_classes(names):
        raise ArgumentError(f"{path}: {wrong}: give one a line")
    return tuple(names)
