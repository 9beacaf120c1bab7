"""Running commands as a shell would, and photographs as files to run them on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from oracles import photograph
from PIL import Image
from typer.testing import CliRunner

from cnncli.cli import app

PATIENCE = 600
"""Seconds after which a process hangs, however busy the machine is."""

PICTURE_COMMANDS = ("edge", "pool")
"""The commands whose inputs are pictures."""


def cnncli(*words, stdin=None):
    """Run a command in this process; stdout and stderr come apart."""
    return CliRunner().invoke(app, [str(word) for word in words], input=stdin)


def done(*words, stdin=None):
    """Run a command that must succeed."""
    result = cnncli(*words, stdin=stdin)
    assert (result.exit_code, result.exception) == (0, None), result.output
    return result


def process(*words, stdin=None, environment=None, **options):
    """Run a command in a process of its own."""
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "PYTHONWARNINGS")}
    return subprocess.run(
        [sys.executable, "-m", "cnncli", *map(str, words)],
        input=stdin,
        capture_output=True,
        env=variables | (environment or {}),
        timeout=PATIENCE,
        **options,
    )


def json_lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def save(folder, pixels, name="image.png", **options):
    """Write pixels as a picture, and return its path."""
    path = Path(folder) / name
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path


def save_photograph(folder, name, suffix=".png"):
    """Write a photograph as a file, and return its path."""
    options = {"quality": 90} if suffix == ".jpg" else {}
    return save(folder, photograph(name), f"{name}{suffix}", **options)


def listing(folder):
    """Everything in a folder and below it."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))
