"""Photographs in folders, and jobs over them without any pictures."""

import os
from pathlib import Path

from oracles import photograph
from PIL import Image

from cnncli.batch.inputs import Input
from cnncli.batch.plan import Job

OPTIONS = "the options"


def make_photographs(folder, count, *, side=96, suffix=".jpg"):
    """Write small photographs, each cut from another place, and return their paths."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    names = ("astronaut", "coffee", "chelsea", "rocket")
    paths = []
    for number in range(count):
        pixels = photograph(names[number % len(names)])
        top, left = 2 * number % (pixels.shape[0] - side), 3 * number % (pixels.shape[1] - side)
        path = Path(folder) / f"{number:04d}{suffix}"
        Image.fromarray(pixels[top : top + side, left : left + side]).save(path)
        paths.append(path)
    return paths


def contents(folder):
    """Every visible file of a folder and below it, with its bytes."""
    folder = Path(folder)
    visible = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in visible}


def temporaries(folder):
    return [path.name for path in Path(folder).rglob("*.cnncli-part")]


def make_jobs(folder, count):
    """Write text files and return jobs that make one output of each."""
    jobs = []
    for number in range(count):
        source = os.path.join(folder, f"{number}.in")
        Path(source).write_text(f"content {number}")
        jobs.append(Job(Input(source, os.path.basename(source)), (os.path.join(folder, f"{number}.out"),)))
    return jobs


def copy(job, targets):
    """Work: each output is what the input holds, in capitals."""
    for target in targets:
        Path(target).write_text(Path(job.input.path).read_text().upper())
    return [{} for _ in targets]
