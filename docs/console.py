"""Commands run in copies of the samples, with their output as Markdown, for the generated parts of README.md and docs/.

Each page has a folder of its own, so that none depends on what another has run, or on their order. A page and its
translation (`course.md`, `course.zh-TW.md`) share a folder, and a command that both show runs once. A training that
several pages build upon runs once as well: see `TRAININGS`.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRATCH = tempfile.TemporaryDirectory(prefix="cnncli-docs-")
TRAININGS = {
    "cnncli train digits --epochs 14 --jobs 2": "runs/digits",
    "cnncli train canvases -o runs/canvases -q": "runs/canvases",
}
"""Commands that run once for all pages, and the folder that each makes; `given` has it without showing the command."""


class Folder:
    """A copy of the samples, and the output of each command that was run in it."""

    def __init__(self, name: str) -> None:
        """Copy the samples; README.md names them as its reader does, who is in the checkout."""
        self.path = Path(SCRATCH.name, name)
        self.outputs: dict[tuple[str, int], str] = {}
        shutil.copytree(ROOT / "samples", self.path / "samples" if name == "README" else self.path)

    def output(self, command: str, time: int) -> str:
        """Return what a command prints, run if it was not run yet so many times by a page of this folder."""
        if (command, time) not in self.outputs:
            self.outputs[command, time] = self.trained(command) if command in TRAININGS else _run(command, self.path)
        return self.outputs[command, time]

    def trained(self, command: str) -> str:
        """Return what a training printed, after its folder has been copied here."""
        made, printed = _training(command)
        shutil.copytree(made, self.path / TRAININGS[command], dirs_exist_ok=True)
        return printed


_folder = cache(Folder)
_times: Counter[tuple[str, str]] = Counter()


def console(*commands: str) -> str:
    """Return a code block with commands and their output, including stderr."""
    lines = ["```console"]
    for command in commands:
        lines += [f"$ {command}", *_output(command).splitlines()]
    return "\n".join([*lines, "```"])


def trained(*commands: str) -> str:
    """Return a code block like `console`, but keep the block in the page if only numbers differ.

    Times differ from run to run, and the last bits of a training differ between processors.
    """
    block = console(*commands)
    for old in re.findall(r"```console\n.*?\n```", _page()[1], flags=re.DOTALL):
        if _without_numbers(old) == _without_numbers(block):
            return old
    return block


def python(code: str) -> str:
    """Return a code block with Python code, followed by its output as comments."""
    printed = _output(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}")
    return "\n".join(["```python", code.strip(), *(f"# {line}" for line in printed.splitlines()), "```"])


def given(*folders: str) -> None:
    """Put what trainings make into the page's folder, without showing their commands."""
    for command, folder in TRAININGS.items():
        if folder in folders:
            _folder(_page()[0].split(".")[0]).trained(command)


def _page() -> tuple[str, str]:
    """Return the name of the page that cog works on, and what its block had until now."""
    cog = sys.modules.get("cog")
    return (Path(cog.inFile).name, cog.previous) if cog else ("none", "")


def _output(command: str) -> str:
    page, _ = _page()
    _times[page, command] += 1
    return _folder(page.split(".")[0]).output(command, _times[page, command])


@cache
def _training(command: str) -> tuple[Path, str]:
    folder = _folder(f"training-{list(TRAININGS).index(command)}").path
    printed = _run(command, folder)
    return folder / TRAININGS[command], printed


def _without_numbers(text: str) -> str:
    return re.sub(r"[\d.,e+-]+|\s+|\*", " ", re.sub(r"\s*\*?$", "", text, flags=re.MULTILINE))


def _run(command: str, folder: Path) -> str:
    scripts = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    # Times differ from run to run, so that `cog --check` would fail.
    return re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0.01', done.stdout)
