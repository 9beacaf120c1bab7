"""Animations of every kind, for tests of their drawings."""

import numpy as np

from cnncli.animations.filtering import animate_filter
from cnncli.animations.frames import Kind
from cnncli.animations.pooling import animate_pool
from cnncli.animations.shapes import animate_shape
from cnncli.animations.svg import moving_svg
from cnncli.drawing.svg.theme import Theme
from cnncli.networks.arithmetic import Axis

GRAY = np.random.default_rng(0).integers(0, 256, (5, 6)).astype(np.uint8)
VOLUME = np.random.default_rng(1).integers(0, 256, (4, 4, 3)).astype(np.uint8)
PUBLISHED = [[2, 2, 3, 3, 3], [0, 1, 3, 0, 3], [2, 3, 0, 1, 3], [3, 3, 2, 1, 2], [3, 3, 0, 2, 3]]

ANIMATED = {
    "published": lambda: animate_filter(
        PUBLISHED, [[2, 0, 1], [1, 0, 0], [0, 1, 1]], padding=1, padding_mode="zeros", stride=2
    ),
    "pair": lambda: animate_filter(GRAY, "sobel"),
    "dilated": lambda: animate_filter(GRAY, "vertical", dilation=2, padding=2),
    "fractions": lambda: animate_filter(GRAY / 7, "gaussian:0.5", padding="valid", bias=-1, activation="tanh"),
    "volume": lambda: animate_filter(VOLUME, "horizontal", color="volume", padding=1, bias=2),
    "volume of a pair": lambda: animate_filter(VOLUME, "sobel", color="volume", padding="valid"),
    "wide": lambda: animate_filter(np.zeros((2, 30)), [[1, -1]], padding="valid"),
    "one number": lambda: animate_filter([[5]], [[2]]),
    "turned": lambda: animate_filter(GRAY, [[1, 2, 3]], flip=True, padding="valid"),
    "maximum": lambda: animate_pool(GRAY),
    "mean": lambda: animate_pool(GRAY, 3, stride=2, padding=1, mode="avg", ceil_mode=True),
    "sizes": lambda: animate_shape(5, Axis(3, stride=2, padding=(1, 1))),
    "transposed": lambda: animate_shape(3, Axis(3, stride=2, padding=(1, 1), output_padding=1, transposed=True)),
}
"""Functions that make an animation, by name."""


def still_svg(scene, number=-1, *, theme=Theme.AUTO):
    """Draw one step of a scene, with what the steps before it leave behind."""
    number %= len(scene.steps)
    kept = tuple(shape for step in scene.steps[: number + 1] for shape in step.kept)
    return moving_svg(scene._replace(steps=(scene.steps[number]._replace(kept=kept),)), theme=theme)


def window(animation, frame, channel=0):
    """The numbers of a channel under the window, tap by tap."""
    return tuple(animation.planes[channel][row][column] for row, column in frame.places)


def outside(animation, frame):
    """For each tap whether it sees something else than the input."""
    return tuple(animation.kinds[row][column] is not Kind.INPUT for row, column in frame.places)
