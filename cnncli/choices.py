"""The words that options take, on their own so that `--help` needs no NumPy.

The registries that give them meaning live with the arithmetic; a test holds the two together.
"""

DIRECTIONS = ("vertical", "horizontal", "magnitude", "angle")
PADDING_MODES = ("zeros", "reflect", "replicate", "circular", "symmetric")
COLORS = ("gray", "each", "volume")
CHANNELS = ("red", "green", "blue")
ACTIVATIONS = ("relu", "tanh", "sigmoid")
SCALES = ("unit", "none", "auto")
SIGNED = ("abs", "clip", "offset", "diverging", "split")
POOLING_MODES = ("max", "avg", "min")
PARTS = ("train", "validation", "test")
RESIZES = ("stretch", "crop", "pad")
