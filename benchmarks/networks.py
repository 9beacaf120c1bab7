"""Start-up of `cnncli shape` and `params` beside a bare Typer application, and beside torchinfo on the same network.

Run in turn, medians, with the peak memory of each process. Python's byte code is compiled before, as an installation
does it. torchinfo is left out where it is not installed: it counts a VGG-16 built in PyTorch, without its weights.
"""

import argparse
import compileall
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BARE = """
import typer

app = typer.Typer()


@app.command()
def hello(name: str = "you"):
    print("hello", name)


app()
"""
TORCHINFO = """
import torch
import torchinfo

layers, channels = [], 3
with torch.device("meta"):  # no weights are made: the shapes are enough
    for filters in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if filters:
            layers += [torch.nn.Conv2d(channels, filters, 3, padding=1), torch.nn.ReLU()]
            channels = filters
        else:
            layers.append(torch.nn.MaxPool2d(2))
    layers += [torch.nn.Flatten(), torch.nn.Linear(25088, 4096), torch.nn.ReLU(), torch.nn.Linear(4096, 4096)]
    layers += [torch.nn.ReLU(), torch.nn.Linear(4096, 1000)]
network = torch.nn.Sequential(*layers)
print(torchinfo.summary(network, (1, 3, 224, 224), device="meta"))
"""
# What the console script does, without the name of a place.
CNNCLI = "from cnncli.__main__ import main; main()"
COMMANDS = {
    "bare Typer application": ["-c", BARE],
    "cnncli shape -n 39 -f 3": ["-c", CNNCLI, "shape", "-n", "39", "-f", "3"],
    "cnncli shape 39x39x3 conv3-10 conv5-20,s2": ["-c", CNNCLI, "shape", "39x39x3", "conv3-10", "conv5-20,s2"],
    "cnncli params vgg16": ["-c", CNNCLI, "params", "vgg16"],
    "cnncli params resnet152": ["-c", CNNCLI, "params", "resnet152"],
}
TARGET = 1.25


def measure(arguments: list[str]) -> tuple[float, float]:
    """Return the seconds that a process takes, and its peak memory in MiB."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    quiet = subprocess.DEVNULL
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=quiet, stderr=quiet, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} failed with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    compileall.compile_dir(ROOT / "cnncli", quiet=1)
    commands = dict(COMMANDS)
    if importlib.util.find_spec("torchinfo"):
        commands["torchinfo on VGG-16"] = ["-c", TORCHINFO]
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for number in range(rounds + 2):
            for name, arguments in commands.items():
                if name in COMMANDS or number < 5:  # torchinfo takes seconds
                    results[name].append(measure(arguments))
    report(results)


def report(results: dict[str, list[tuple[float, float]]]) -> None:
    """Print medians; a ratio is the median of those of each round, which a busy machine disturbs least."""
    bare = [seconds for seconds, _ in next(iter(results.values()))]
    for name, found in results.items():
        times = [seconds for seconds, _ in found]
        ratio = statistics.median([mine / others for mine, others in zip(times, bare, strict=False)][2:])
        memory = max(mebibytes for _, mebibytes in found)
        median = statistics.median(times[2:]) * 1000
        print(f"{name:44} {median:7.1f} ms   {ratio:6.2f} x bare   {memory:6.1f} MiB")
    print(f"target for cnncli: {TARGET} x bare")


if __name__ == "__main__":
    main()
