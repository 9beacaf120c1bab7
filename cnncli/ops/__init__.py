"""The NumPy convolution core: arrays in, arrays out; no files, no printing, no state."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
