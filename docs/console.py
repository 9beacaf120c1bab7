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
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
SCRATCH = tempfile.TemporaryDirectory(prefix="cnncli-docs-")
KEPT = Path(os.environ.get("CNNCLI_TRAININGS", SCRATCH.name))
"""Where a later process finds the trainings of this one."""

TRAININGS = {
    "cnncli train digits --epochs 14": "runs/digits",
    "cnncli train canvases --epochs 30 -o runs/canvases -q": "runs/canvases",
    "cnncli experiment optimizers digits -o optimizers.svg": "optimizers.svg",
    "cnncli experiment depth digits -o depth.svg": "depth.svg",
}
"""Commands that run once for all pages, and what each makes; `given` has it without showing the command."""


class Done(NamedTuple):
    """What a command printed, and its exit code."""

    text: str
    code: int


class Folder:
    """A copy of the samples, and what each command printed that was run in it."""

    def __init__(self, name: str) -> None:
        """Copy the samples; README.md names them as its reader does, who is in the checkout."""
        self.path = Path(SCRATCH.name, name)
        self._done: dict[tuple[str, int], Done] = {}
        shutil.copytree(ROOT / "samples", self.path / "samples" if name == "README" else self.path)

    def run(self, command: str, time: int = 1) -> Done:
        """Run a command the first, second, ... time, unless another page has run it so often."""
        if (command, time) not in self._done:
            known = command.replace("samples/", "")
            self._done[command, time] = self.train(known) if known in TRAININGS else _run(command, self.path)
        return self._done[command, time]

    def train(self, command: str) -> Done:
        """Copy what a training makes here."""
        made, printed = _training(command)
        _copy(made, self.path / TRAININGS[command])
        return Done(printed, 0)


_folder = cache(Folder)
_times: Counter[tuple[str, str]] = Counter()


def console(*commands: str) -> str:
    """Return a code block with commands and their output, including stderr."""
    lines = ["```console"]
    for command in commands:
        lines += [f"$ {command}", *_done(command).text.splitlines()]
    return "\n".join([*lines, "```"])


def shell(*lines: str) -> str:
    """Return a code block to paste into the checkout: commands with a comment each, none of which may fail."""
    for line in lines:
        done = _done(line.partition("  #")[0].rstrip())
        if done.code:
            raise SystemExit(f"{line}\n{done.text}")
    return "\n".join(["```sh", ". .venv/bin/activate", *lines, "```"])


def trained(*commands: str) -> str:
    """Return a code block like `console`, but keep the block in the page if only numbers differ.

    Times differ from run to run, and the last bits of a training differ between processors.
    """
    block = console(*commands)
    blocks: list[str] = re.findall(r"```console\n.*?\n```", _page()[1], flags=re.DOTALL)
    for old in blocks:
        if _without_numbers(old) == _without_numbers(block):
            return old
    return block


def python(code: str) -> str:
    """Return a code block with Python code, followed by its output as comments."""
    done = _done(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}")
    return "\n".join(["```python", code.strip(), *(f"# {line}" for line in done.text.splitlines()), "```"])


def given(*names: str) -> None:
    """Put what trainings make, such as `runs/digits`, into the page's folder, without showing their commands."""
    for command, made in TRAININGS.items():
        if made in names:
            _folder(_page()[0].split(".")[0]).train(command)


def _page() -> tuple[str, str]:
    """Return the name of the page that cog works on, and what its block had until now."""
    cog = sys.modules.get("cog")
    return (Path(cog.inFile).name, str(cog.previous)) if cog else ("none", "")


def _done(command: str) -> Done:
    page, _ = _page()
    _times[page, command] += 1
    return _folder(page.split(".")[0]).run(command, _times[page, command])


@cache
def _training(command: str) -> tuple[Path, str]:
    """Return what a training makes, and what it prints."""
    kept = KEPT / re.sub(r"\W+", "-", command)
    printed, made = kept / "printed", kept / Path(TRAININGS[command]).name
    if not printed.exists():
        folder = Folder(f"samples-{kept.name}").path
        done = _run(command, folder)
        if done.code:
            raise SystemExit(f"{command}\n{done.text}")
        _copy(folder / TRAININGS[command], made)
        printed.write_text(done.text, encoding="utf-8")
    return made, printed.read_text(encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _without_numbers(text: str) -> str:
    return re.sub(r"[\d.,e+-]+|\s+|\*|─+", " ", re.sub(r"\s*\*?$", "", text, flags=re.MULTILINE))


def _run(command: str, folder: Path) -> Done:
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
    return Done(re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0.01', done.stdout), done.returncode)
