"""Run commands in a copy of the samples, and give what they print as Markdown: the README is made with this."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRATCH = Path(tempfile.mkdtemp(prefix="cnncli-readme-"))


def console(*commands: str) -> str:
    """Return a code block with commands and their output, stderr included; they share one folder of samples."""
    if not any(SCRATCH.iterdir()):
        shutil.copytree(ROOT / "samples", SCRATCH, dirs_exist_ok=True)
    lines = ["```console"]
    for command in commands:
        lines += [f"$ {command}", *_run(command).splitlines()]
    return "\n".join([*lines, "```"])


def python(code: str) -> str:
    """Return a code block with Python code, and what it prints as a comment."""
    shutil.copytree(ROOT / "samples", SCRATCH, dirs_exist_ok=True)
    printed = _run(f"{sys.executable} -c '{code}'")
    return "\n".join(["```python", code.strip(), *(f"# {line}" for line in printed.splitlines()), "```"])


def _run(command: str) -> str:
    scripts = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    done = subprocess.run(
        command, shell=True, cwd=SCRATCH, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    # Times differ from run to run, and a check would fail for them.
    return re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0.01', done.stdout)
