"""Convolution from the shell, and from Python: filter images, pool them, see the arithmetic.

The names are loaded when they are first used; `import cnncli` alone loads neither NumPy nor Pillow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
