"""Training a network on labelled pictures: data, losses, optimizers, measures; one noun a file.

The registries (`OPTIMIZERS`, `SCHEDULES`, `LOSSES`, `AUGMENTATIONS`) load no NumPy, so that a command can offer their
names as choices.
"""
