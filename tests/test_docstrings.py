"""Whoever calls a method finds what it does: said by the method, or by the one that it overrides."""

import importlib
import inspect
import pkgutil

import cnncli

OPTIONAL = {"torch", "onnx", "distributed", "h5py", "imagecodecs", "fsspec"}


def modules():
    for found in pkgutil.walk_packages(cnncli.__path__, "cnncli."):
        if found.name.endswith("__main__"):
            continue
        try:
            yield importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                raise


def methods():
    for module in modules():
        for owner in vars(module).values():
            if inspect.isclass(owner) and owner.__module__ == module.__name__ and not owner.__name__.startswith("_"):
                fields = inspect.get_annotations(owner)  # which may hold a function
                for name, member in vars(owner).items():
                    if name.startswith("_") or name in fields:
                        continue
                    if inspect.isfunction(member) or isinstance(member, property):
                        yield owner, name


def test_every_public_method_says_what_it_does_or_overrides_one_that_does():
    found = list(methods())
    assert len(found) > 500
    assert [f"{owner.__module__}.{owner.__qualname__}.{name}" for owner, name in found if not _said(owner, name)] == []


def _said(owner, name):
    """Ask the package's classes alone: what others' methods do, their own documentation says."""
    said = [vars(base)[name] for base in owner.__mro__ if name in vars(base)]
    return any(inspect.getdoc(member) or not _is_ours(member) for member in said)


def _is_ours(member):
    return getattr(member, "__module__", "cnncli").startswith("cnncli")
