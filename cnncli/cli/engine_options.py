"""Options that say what computes a network, and where."""

from typing import Annotated, Any

import typer

from cnncli.cli import engine_choices as choices


def engine_option(**settings: Any) -> Any:
    """Return the option that names an engine."""
    return typer.Option("--engine", help=r"What computes: torch needs the extra cnncli\[torch].", **settings)


def device_option(**settings: Any) -> Any:
    """Return the option that names a device."""
    return typer.Option("--device", help="Where: auto is a GPU where --engine torch finds one.", **settings)


EngineOption = Annotated[choices.Engine, engine_option()]
DeviceOption = Annotated[choices.Device, device_option()]
