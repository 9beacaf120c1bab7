"""Records: the time to define a class as a `Value` beside frozen dataclasses, and what that is of a start.

Classes of four fields are defined in processes of their own, 40 in each, after the imports. A start is `params vgg16`:
as it is, and with a frozen dataclass defined beside each `Value` class. Medians; the first process of each is left out.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLASSES = 40

DEFINE = """
import time
{imports}
begin = time.perf_counter()
for number in range({classes}):
    {decorator}
    class Record({bases}):
        kernel_size: int
        stride: tuple[int, int] = (1, 1)
        padding: str = "valid"
        bias: bool = True
print((time.perf_counter() - begin) / {classes})
"""
DATACLASS = "from dataclasses import dataclass"
KINDS = {
    "Value": ("from cnncli.values import Value", "Value", ""),
    "frozen dataclass": (DATACLASS, "", "@dataclass(frozen=True)"),
    "frozen dataclass with slots": (DATACLASS, "", "@dataclass(frozen=True, slots=True)"),
}

PARAMS = "from cnncli.__main__ import main; main()"
WITH_DATACLASSES = """
from dataclasses import dataclass
from cnncli.values import Value
plain = Value.__init_subclass__.__func__
def beside(cls):
    plain(cls)
    fields = {name: kind for name, kind in cls.__annotations__.items() if name in cls.fields}
    dataclass(frozen=True)(type(cls.__name__, (), {"__annotations__": fields}))
Value.__init_subclass__ = classmethod(beside)
"""
STARTS = {"params vgg16": PARAMS, "params vgg16, each Value a frozen dataclass too": WITH_DATACLASSES + PARAMS}


def printed(code: str, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment).stdout


def definition(imports: str, bases: str, decorator: str) -> str:
    return DEFINE.format(imports=imports, bases=bases, decorator=decorator or "pass", classes=CLASSES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in (*KINDS, *STARTS)}
    for _ in range(rounds + 1):
        for name, parts in KINDS.items():
            times[name].append(float(printed(definition(*parts))))
        for name, code in STARTS.items():
            begin = time.perf_counter()
            printed(code, "params", "vgg16")
            times[name].append(time.perf_counter() - begin)
    print(f"Python {sys.version.split()[0]}, medians of {rounds} processes")
    for name, values in times.items():
        what = "ms a class" if name in KINDS else "ms a start"
        print(f"{name:50} {statistics.median(values[1:]) * 1000:8.3f} {what}")


if __name__ == "__main__":
    main()
