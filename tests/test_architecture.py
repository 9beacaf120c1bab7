"""The map of the code is true."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAP = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "cnncli"
# What only a machine reads, and where the command line begins.
UNNAMED = {"__init__.py", "__init__.pyi", "__pycache__", "py.typed"}


def test_every_path_on_the_map_exists():
    paths = re.findall(r"`((?:cnncli|tests|docs|benchmarks)/[\w/.]*)`", MAP)
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_room_is_on_the_map():
    rooms = {f"`cnncli/{entry.name}{'/' if entry.is_dir() else ''}`" for entry in PACKAGE.iterdir()}
    rooms -= {f"`cnncli/{name}{'/' if '.' not in name else ''}`" for name in UNNAMED}
    assert {room for room in rooms if room not in MAP} == set()


def test_rooms_stand_in_the_order_of_the_import_contract():
    contract = re.search(r"^layers = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M | re.S)
    lines = reversed(contract[1].splitlines())
    level = {name: number for number, line in enumerate(lines) for name in re.findall(r"\w+", line)}
    levels = [level[name] for name in re.findall(r"^\| `cnncli/(\w+)/`", MAP, re.M)]
    assert len(levels) > 10
    assert levels == sorted(levels)
