"""The options of explaining a class, in a module without NumPy for `--help`."""

from typing import TypedDict

from cnncli.choices import check_choice, is_number
from cnncli.errors import ArgumentError
from cnncli.values import Value

OCCLUSION, GRADIENT, SMOOTH, GRADCAM = METHODS = ("occlusion", "gradient", "smooth", "gradcam")

Size = tuple[int, int]


class WhyFields(TypedDict, total=False):
    """The fields of `WhyOptions`, as keyword arguments."""

    methods: tuple[str, ...] | None
    layer: str | None
    patch: int | Size | None
    stride: int | Size | None
    samples: int
    noise: float
    seed: int


class WhyOptions(Value):
    """How a class is explained.

    Attributes:
        methods: words of `METHODS`; None for all that the model allows.
        layer: the layer of Grad-CAM, as `Model.layer_names` lists them; None for the last one with maps.
        patch: the size of the patch of occlusion, or (height, width), in pixels of the network's input; None for a
            seventh of the input.
        stride: the pixels between two patches, or (vertical, horizontal); None for half a patch.
        samples: the noisy pictures whose gradients are averaged for the smoothed gradient.
        noise: the standard deviation of their noise, as a share of the range of the picture.
        seed: of the noise.

    Raises:
        ArgumentError: an unknown method, or a number outside of its range.

    Example:
        >>> WhyOptions(patch=3).patch
        (3, 3)
    """

    methods: tuple[str, ...] | None = None
    layer: str | None = None
    patch: int | Size | None = None
    stride: int | Size | None = None
    samples: int = 25
    noise: float = 0.15
    seed: int = 0

    def validate(self) -> None:
        if self.methods is not None:
            for method in self.methods:
                check_choice("method", method, METHODS)
            self.normalize(methods=tuple(dict.fromkeys(self.methods)) or None)
        self.normalize(patch=as_pair(self.patch, "patch"), stride=as_pair(self.stride, "stride"))
        for name, least in (("samples", 1), ("seed", 0)):
            value = getattr(self, name)
            if not (is_number(value) and value >= least and value == int(value)):
                raise ArgumentError(f"{name} must be an integer from {least}, got {value!r}")
        if not (is_number(self.noise) and self.noise >= 0):
            raise ArgumentError(f"noise must be a number from 0, got {self.noise!r}")


def as_pair(value: int | Size | None, name: str) -> Size | None:
    """Return one positive integer, or two, as two.

    Raises:
        ArgumentError: anything else.
    """
    if value is None:
        return None
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(side, int) and side >= 1 for side in pair):
        raise ArgumentError(f"{name} must be a positive integer or two of them, got {value!r}")
    return pair[0], pair[1]
