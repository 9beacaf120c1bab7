"""Networks: their layers, the notation that writes them, and what is known of each: shapes, numbers, memory."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
