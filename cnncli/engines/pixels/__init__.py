"""The gradient of a function of some layers' outputs with respect to the images."""

from cnncli.engines.pixels.gradient import BORDERS, PixelGradient, numbers_held

__all__ = ["BORDERS", "PixelGradient", "numbers_held"]
