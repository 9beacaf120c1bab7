"""The command line: a thin Typer application over the library. Only here is anything printed."""

from cnncli.cli.app import app

__all__ = ["app"]
