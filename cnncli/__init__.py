"""Convolution from the shell and from Python: filter images, count parameters, train and use small networks.

Names are loaded when they are first used; `import cnncli` alone loads neither NumPy nor Pillow.
"""


def __getattr__(name):
    return _attached()[0](name)


def __dir__():
    return _attached()[1]()


def _attached():
    """Return the two functions above as `lazy_loader` makes them; the command line starts 6 ms sooner without."""
    import lazy_loader

    global __all__, __dir__, __getattr__
    __getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
    return __getattr__, __dir__
