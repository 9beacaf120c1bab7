"""Labelled pictures: folders, MNIST's and CIFAR-10's files, arrays; recognised by looking."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
