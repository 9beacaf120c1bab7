"""Training a network on labelled pictures: data, losses, optimizers, measures; one noun a file.

The names are loaded when they are first used. The registries (`OPTIMIZERS`, `SCHEDULES`, `LOSSES`, `AUGMENTATIONS`)
load no NumPy, so that a command can offer their names as choices.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
