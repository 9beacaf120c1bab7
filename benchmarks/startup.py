"""Start-up: `cnncli edge` on a small image beside a bare Python that imports typer, numpy and PIL.Image.

Run in turn; medians of the times, and of the ratios to the bare run of the same round, since a machine's pace changes
while this runs. Python's byte code is compiled before, as an installation does it.
"""

import argparse
import compileall
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What the console script does, without the name of a place.
CNNCLI = ["-c", "from cnncli.__main__ import main; main()"]
EDGE = [*CNNCLI, "edge", "--force", "-q"]
COMMANDS = {
    "bare: import typer, numpy, PIL.Image": ["-c", "import typer, numpy, PIL.Image"],
    "cnncli edge step.png": [*EDGE, str(ROOT / "samples/step.png"), "-o", "a.png"],
    "cnncli edge scene.jpg": [*EDGE, str(ROOT / "samples/scene.jpg"), "-o", "b.png"],
    "cnncli --help": [*CNNCLI, "--help"],
}
TARGET = 1.3


def seconds(arguments: list[str], folder: str) -> float:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    quiet = subprocess.DEVNULL
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=quiet, stderr=quiet, cwd=folder, env=environment)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    compileall.compile_dir(ROOT / "cnncli", quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        times: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for _ in range(rounds + 2):
            for name, arguments in COMMANDS.items():
                times[name].append(seconds(arguments, folder))
    bare = next(iter(times.values()))[2:]
    for name, values in times.items():
        ratio = statistics.median(value / beside for value, beside in zip(values[2:], bare, strict=True))
        median = statistics.median(values[2:])
        print(f"{name:40} {median * 1000:7.1f} ms   {ratio:5.2f} x bare   (target for edge: {TARGET})")


if __name__ == "__main__":
    main()
