"""Start-up of training: from starting `cnncli train samples/digits` to its first batch; medians of several runs.

Beside it a bare Python that imports what both need: typer, numpy, PIL.Image.
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
# The command as it is installed; at the first batch it says so, and leaves.
FIRST_BATCH = """
import os, sys
sys.argv[0] = "cnncli"
from cnncli.training.watcher import Watcher
def first_batch(self, report):
    os.write(1, b"first batch")
    os._exit(0)
Watcher.batch = first_batch
from cnncli.__main__ import main
main()
"""
BARE = "import typer, numpy, PIL.Image"
TARGET = 1.0


def seconds(program: str, *words: str) -> float:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", program, *words]
    begin = time.perf_counter()
    result = subprocess.run(command, check=True, capture_output=True, env=environment)
    taken = time.perf_counter() - begin
    assert program == BARE or result.stdout.endswith(b"first batch")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    compileall.compile_dir(ROOT / "cnncli", quiet=1)
    times: dict[str, list[float]] = {"bare imports": [], "first batch": []}
    with tempfile.TemporaryDirectory() as folder:
        words = ["train", str(ROOT / "samples/digits"), "-o", f"{folder}/run", "--force"]
        for _ in range(rounds + 1):
            times["bare imports"].append(seconds(BARE))
            times["first batch"].append(seconds(FIRST_BATCH, *words))
    for name, values in times.items():
        target = f"   (target {TARGET:.1f} s)" if name == "first batch" else ""
        print(f"{name:14} {statistics.median(values[1:]):6.3f} s   best {min(values[1:]):6.3f} s{target}")


if __name__ == "__main__":
    main()
