"""The course's experiment on depth: plain and residual networks of 8 and 32 layers, trained on the sample digits.

He et al. 2015 (arXiv:1512.03385, figures 1 and 6): a deeper plain network trains worse than a shallower one, although
it could compute the same; with shortcuts it does not. Takes a minute, prints the training errors, and draws their
curves: python samples/depth_experiment.py [depth.png]
"""

import sys
from pathlib import Path

from cnncli import train
from cnncli.drawing.canvas import Box, Canvas
from cnncli.drawing.charts import Curve, draw_chart

DIGITS = Path(__file__).resolve().parent / "digits"
DEPTHS = (8, 32)
COLOURS = {8: (142, 170, 208), 32: (31, 99, 181)}
RECIPE = {"size": (14, 14), "epochs": 12, "optimizer": "momentum", "lr": 0.05, "schedule": "cosine", "val": 0}


def plain(depth):
    """A stack of 3x3 convolutions with batch norm."""
    return f"conv3-16,same,bn,relu max2 {depth - 2}xconv3-16,same,bn,relu gap fc-10"


def residual(depth):
    """The same, with a shortcut around every two."""
    block = "res[ conv3-16,same,bn,relu conv3-16,same,bn ]"
    return f"conv3-16,same,bn,relu max2 {(depth - 2) // 2}x{block} gap fc-10"


def training_errors(network):
    """Return (epoch, part of the training pictures that was wrong) for each epoch."""
    run = train(DIGITS, network=network, **RECIPE)
    return [(line["epoch"], 1 - line["train_accuracy"]) for line in run.metrics]


def main(picture="depth.png"):
    """Train the four networks, and draw their curves side by side."""
    canvas = Canvas(1000, 420)
    boxes = {plain: Box(70, 60, 480, 360), residual: Box(570, 60, 980, 360)}
    for kind, box in boxes.items():
        curves = []
        for depth in DEPTHS:
            errors = training_errors(kind(depth))
            print(f"{kind.__name__:8} {depth:2} layers: training error {errors[-1][1]:.1%} after {len(errors)} epochs")
            curves.append(Curve(f"{depth} layers", COLOURS[depth], errors))
        draw_chart(canvas, box, f"{kind.__name__.capitalize()}: training error", curves, percent=True)
    canvas.save(Path(picture))


if __name__ == "__main__":
    main(*sys.argv[1:2])
