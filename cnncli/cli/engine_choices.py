"""The words that the options of engines take, out of the library's registry."""

from cnncli.cli.options import choice
from cnncli.engines.backends import DEVICES, ENGINES

Engine = choice("Engine", tuple(ENGINES))
Device = choice("Device", DEVICES)
