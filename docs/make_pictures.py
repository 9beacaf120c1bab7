"""Make the pictures in docs/pictures from commands of the tool, or check that they are as their commands make them.

python docs/make_pictures.py                 make all
python docs/make_pictures.py why.png         make this one
python docs/make_pictures.py --check         compare what the commands make with the files, and change nothing
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

import course_pictures
import numpy as np
from console import ROOT, TRAININGS, Folder
from PIL import Image, ImageSequence

PICTURES = {
    "depth.svg": "cnncli experiment depth digits -o depth.svg",
    "edge.svg": "cnncli animate edge course/six.txt -f vertical -p valid -o edge.svg",
    "edges.png": "cnncli edge scene.png -f sobel --sheet edges.png",
    "filters.jpg": "cnncli edge scene.png -f vertical -f horizontal -f sobel -f canny -f gaussian:3 "
    "--sheet filters.jpg --quality 75",
    "found.png": "cnncli detect runs/canvases canvases/val/001.png -o found.png",
    "lenet5.svg": "cnncli draw lenet5 -o lenet5.svg --receptive-field 2.conv:3,4",
    "optimizers.svg": "cnncli experiment optimizers digits -o optimizers.svg",
    "pool.gif": "cnncli animate pool course/pool4.txt -f 2 -s 2 -o pool.gif",
    "resnet18.svg": "cnncli draw resnet18 -o resnet18.svg --style boxes --highlight 5.res",
    "strided.svg": "cnncli animate edge '2 2 3 3 3; 0 1 3 0 3; 2 3 0 1 3; 3 3 2 1 2; 3 3 0 2 3' "
    "-k '2 0 1; 1 0 0; 0 1 1' -p 1 -s 2 -o strided.svg",
    "styled.jpg": "cnncli style scene.jpg strokes.jpg -o styled.jpg --size 240 --steps 20",
    "transposed.svg": "cnncli animate shape -n 3 -f 3 -p 1 -s 2 --transposed -o transposed.svg",
    "why.png": "cnncli why runs/digits digits/7/00.png -o why.png",
    **course_pictures.PICTURES,
}
"""The command that makes each picture in a copy of the samples, to which the runs of `console.TRAININGS` belong."""

PLACE = ROOT / "docs" / "pictures"
LEVELS = 4.0
"""Root mean square difference of pixels, of 255 levels, up to which pictures are the same: processors differ.

Another number in a caption makes about 2, another filter 11, another number of steps of a style transfer 8."""


def made(names: list[str]) -> dict[str, Path]:
    """Return the file that each picture's command makes."""
    folder = Folder("pictures")
    for command, training in TRAININGS.items():
        if any(training in PICTURES[name] for name in names):
            folder.train(command)
    for name in names:
        done = folder.run(PICTURES[name])
        if not (folder.path / name).is_file():
            raise SystemExit(f"{PICTURES[name]} did not make {name}:\n{done.text}")
    return {name: folder.path / name for name in names}


def difference(name: str, new: Path) -> str:
    """Return how a picture differs from what its command makes now; nothing if it does not."""
    old = PLACE / name
    if not old.is_file():
        return "is missing"
    if re.search(r"runs/|experiment", PICTURES[name]):  # processors differ, and what was trained on them differs more
        sizes = [_size(path) for path in (old, new)]
        return "" if np.allclose(*sizes, rtol=0.1) else f"has another size: {sizes[0]}, made now {sizes[1]}"
    if new.suffix in (".svg", ".html"):
        return "" if old.read_bytes() == new.read_bytes() else "differs"
    frames, others = (_frames(path) for path in (old, new))
    if [frame.shape for frame in frames] != [frame.shape for frame in others]:
        return f"has another size: {frames[0].shape}, made now {others[0].shape}"
    levels = max(float(np.sqrt(np.square(frame - other).mean())) for frame, other in zip(frames, others, strict=True))
    return f"differs by {levels:.2f} levels of 255" if levels > LEVELS else ""


def _size(path: Path) -> tuple[float, float]:
    if path.suffix != ".svg":
        with Image.open(path) as picture:
            return picture.size
    found = re.search(r'viewBox="0 0 (\S+) (\S+)"', path.read_text(encoding="utf-8"))
    assert found, f"{path} is not a drawing"
    return float(found[1]), float(found[2])


def _frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as picture:
        return [np.asarray(frame.convert("RGBA"), np.float32) for frame in ImageSequence.Iterator(picture)]


def main() -> None:
    """Make or check the pictures that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--check", action="store_true", help="compare, and change nothing")
    arguments = parser.parse_args()
    names = arguments.names or list(PICTURES)
    if unknown := set(names) - set(PICTURES):
        parser.error(f"no such picture: {', '.join(sorted(unknown))}")
    faults = {}
    for name, path in made(names).items():
        if not arguments.check:
            (PLACE / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, PLACE / name)
        elif fault := difference(name, path):
            faults[name] = fault
    for name, fault in faults.items():
        print(f"docs/pictures/{name} {fault}: python docs/make_pictures.py {name}", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
