"""Commands run in a copy of the samples, with their output as Markdown, for the generated parts of the README."""

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
    """Return a code block with commands and their output, including stderr; they share one folder of samples."""
    if not any(SCRATCH.iterdir()):
        shutil.copytree(ROOT / "samples", SCRATCH, dirs_exist_ok=True)
    lines = ["```console"]
    for command in commands:
        lines += [f"$ {command}", *_run(command).splitlines()]
    return "\n".join([*lines, "```"])


def trained(*commands: str) -> str:
    """Return a code block like `console`, but keep the block in the README if only numbers differ.

    Times differ from run to run, and the last bits of a training differ between processors.
    """
    block = console(*commands)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for old in re.findall(r"```console\n.*?\n```", text, flags=re.DOTALL):
        if _without_numbers(old) == _without_numbers(block):
            return old
    return block


def _without_numbers(text: str) -> str:
    return re.sub(r"[\d.,e+-]+|\s+|\*", " ", re.sub(r"\s*\*?$", "", text, flags=re.MULTILINE))


def python(code: str) -> str:
    """Return a code block with Python code, followed by its output as comments."""
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
    # Times differ from run to run, so that `cog --check` would fail.
    return re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0.01', done.stdout)
