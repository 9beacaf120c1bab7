"""The lists "to add a ..." in ARCHITECTURE.md are true: each is followed in a copy of the package, and works."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from shlex import split
from typing import NamedTuple

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


class Addition(NamedTuple):
    """Text in front of lines of the package, and new files; then commands that use them, and words that they print."""

    before: dict[tuple[str, str], str]
    new: dict[str, str]
    runs: list[tuple[str, str]]


FILTER = Addition(
    {
        (
            "cnncli/filters/named.py",
            '    Filter("vertical"',
        ): '    Filter("kirsch", "eight strong neighbours (Kirsch 1971)", _pair(((5, 0, -5),) * 3), _EDGES),\n'
    },
    {},
    [
        ("edge - -f kirsch -d vertical -p valid -o -", "75"),
        ("edge --help", "kirsch"),
    ],
)
OPERATOR = Addition(
    {
        (
            "cnncli/filters/named.py",
            '    Filter(\n        "threshold"',
        ): """    Filter(
        "posterize",
        "as few levels of brightness as COUNT",
        look=Look(signed="clip", color="each"),
        arguments=(number("COUNT", 2, 256, "4"),),
        factory="posterize.Posterize",
        how="A number becomes the nearest of COUNT levels from 0 to a full step.",
    ),
""",
        ("cnncli/filters/explaining/arithmetic.py", "def _under_window("): """@arithmetic.register
def _posterized(response: Posterized, column: int, row: int) -> Arithmetic:
    return (), [f"nearest multiple of {number_text(response.step)}"]


""",
        (
            "cnncli/filters/explaining/arithmetic.py",
            "from cnncli.filters.operators.ranks import",
        ): "from cnncli.filters.operators.posterize import Posterized\n",
    },
    {
        "cnncli/filters/operators/posterize.py": '''"""Posterizing: few levels of brightness."""

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.operator import Operator
from cnncli.filters.operators.responses import Response


class Posterize(Operator):
    """The nearest of some levels.

    Attributes:
        count: the number of levels.
    """

    count: float

    def over(self, source: Response, filtering: Filtering) -> Response:
        return Posterized(source, source.full_step / (self.count - 1))


class Posterized(Response):
    """The response in few levels.

    Attributes:
        step: from one level to the next.
    """

    def __init__(self, source: Response, step: float) -> None:
        super().__init__(source)
        self.step = step

    @property
    def dtype(self) -> DType:
        return np.dtype(np.float64)

    def rows(self, start: int, stop: int) -> Array:
        return np.rint(self.source.rows(start, stop) / self.step) * self.step
''',
    },
    [
        ("edge - -f 'box:1 posterize:6' -o -", "0.0 0.0 0.0"),
        ("edge samples/scene.jpg -f posterize:2 -o few.png --json", '3], "min": 0.0, "max": 255.0'),
        ("edge samples/step.png -f 'posterize:2 vertical' -o edges.png", "edges.png"),
        ("edge samples/step.png -f posterize:2 --explain 2,2 -o step.png", "nearest multiple of 255"),
        ("filters posterize", "nearest of COUNT levels"),
        ("filters --format json", '"default": "4"'),
    ],
)
LAYER = Addition(
    {
        (
            "cnncli/networks/layers/rearranging.py",
            "class Split(",
        ): '''class Mirror(Rearrangement):
    """The picture, left for right: `mirror`."""

    op = "mirror"

    def seen(self, x: "Array") -> "Array":
        return x[:, :, ::-1]


''',
    },
    {},
    [
        ("shape 8x8x1 mirror conv3-4 --format csv", "mirror,8x8x1"),
        ("train samples/digits --network 'mirror max4 fc-10' --epochs 1 -o run", "epoch 1/1"),
        ("evaluate run samples/digits", "accuracy"),
    ],
)
OPTIMIZER = Addition(
    {
        (
            "cnncli/engines/optimizers.py",
            "OPTIMIZERS:",
        ): '''class SignSGD(Optimizer):
    """p -= lr sign(g) (Bernstein et al. 2018, arXiv:1802.04434)."""

    name: ClassVar[str] = "signsgd"
    formulas: ClassVar[tuple[str, ...]] = ("W = W - lr * sign(dW)",)
    default_lr: ClassVar[float] = 0.003

    def step(self, xp: Any, p: Any, g: Any, spare: Any, *state: Any, t: int, lr: float) -> None:
        p -= lr * xp.sign(g)


''',
        ("cnncli/engines/optimizers.py", "SGD, Momentum"): "SignSGD, ",
    },
    {},
    [
        ("train --help", "signsgd"),
        (
            "train samples/digits --network lenet5 --optimizer signsgd --schedule constant --epochs 1 -o run",
            "epoch 1/1",
        ),
        ("train samples/digits --optimizer signsgd --epochs 2 -o run --resume", "epoch 2/2"),
        ("train samples/digits --network lenet5 --optimizer signsgd --explain-step 1", "* sign("),
    ],
)
IMAGE_FORMAT = Addition(
    {
        (
            "cnncli/images/formats/__init__.py",
            '    FileKind("MCIDAS"',
        ): """    FileKind(
        "FARBFELD",
        (".ff",),
        rb"farbfeld",
        "farbfeld.FarbfeldImage",
        written=[Format("farbfeld", (".ff",), "farbfeld", ("uint16",), channels=(4,))],
    ),
""",
    },
    {
        "cnncli/images/formats/farbfeld.py": '''"""Farbfeld: sizes, then 16 bits of red, green, blue and alpha."""

import numpy as np

from cnncli.images.frames import ArrayFrame, OpenedImage
from cnncli.images.sources import check_pixels


class FarbfeldImage(OpenedImage):
    def _begin(self):
        self._width, self._height = np.frombuffer(self._stream.read(16), ">u4", offset=8).tolist()
        check_pixels(self._name, self._width, self._height, self._max_pixels)
        return 1

    @property
    def pixels(self):
        return self._width * self._height

    def decoded_bytes(self):
        return 8 * self.pixels

    def _frame(self, index):
        samples = np.frombuffer(self._stream.read(8 * self.pixels), ">u2").astype("u2")
        samples = samples.reshape(self._height, self._width, 4)
        return ArrayFrame(samples[..., :3], alpha=samples[..., 3], gray=self._gray)


def write(file, frames, form):
    picture = next(frames)
    file.write(b"farbfeld" + np.array(picture.shape[1::-1], ">u4").tobytes())
    for _, band in picture.placed():
        file.write(band.astype(">u2").tobytes())
'''
    },
    [
        ("pool clear.ff -f 2 -o half.ff", "half.ff"),
        ("pool half.ff -f 2 -o quarter.png", "quarter.png"),
        ("edge half.ff", "half-sobel.png"),
    ],
)
COMMAND = Addition(
    {("cnncli/cli/app.py", '    "export",\n'): '    "sizes",\n'},
    {
        "cnncli/cli/commands/sizes.py": '''"""`cnncli sizes`: print the sizes of images."""

from cnncli.cli.options import FileOptions, over_files

EXAMPLES = """Examples:

cnncli sizes photo.jpg
"""


@over_files("inputs", "recursive", "jobs", "as_json", "quiet")
def sizes(files: FileOptions) -> None:
    """Print the sizes of images."""
    from cnncli.batch.task import Grouping
    from cnncli.cli.files.running import FileRun
    from cnncli.images.reading import read_image

    class Sizes:
        grouping = Grouping()

        def __call__(self, job, targets):
            return [{"shape": read_image(job.input.path).shape}]

        def facts(self, report):
            return {"input": report.input, "shape": report.details.get("shape"), "error": report.error}

    FileRun(Sizes(), files, lambda report: f"{report.input} {report.details['shape']}").run()
'''
    },
    [
        ("--help", "sizes"),
        ("sizes samples/step.png samples/scene.jpg", "samples/scene.jpg ("),
        ("sizes samples/step.png --json", '"shape": ['),
        ("sizes --help", "cnncli sizes photo.jpg"),
    ],
)


@pytest.mark.parametrize(
    ("what", "addition"),
    [
        ("a filter", FILTER),
        ("a filter", OPERATOR),
        ("a layer", LAYER),
        ("an optimizer", OPTIMIZER),
        ("an image format", IMAGE_FORMAT),
        ("a command", COMMAND),
    ],
)
def test_what_is_added_as_the_list_says_works_everywhere(what, addition, tmp_path):
    _follows_the_list(what, addition)
    shutil.copytree(ROOT / "cnncli", tmp_path / "cnncli", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    _write_farbfeld(tmp_path / "clear.ff")
    for (path, line), text in addition.before.items():
        old = (tmp_path / path).read_text(encoding="utf-8")
        assert old.count(line) == 1, f"{path}: {line}"
        (tmp_path / path).write_text(old.replace(line, text + line), encoding="utf-8")
    for path, text in addition.new.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    for command, expected in addition.runs:
        assert expected in _run(command, tmp_path), command


def _follows_the_list(what, addition):
    """Check that all that is touched stands in the list: files, or the folder of a new one."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed = re.search(rf"^\*\*{what}\*\*(.*?)(?=^\*\*|\Z)", text, re.M | re.S)[1]
    touched = {path for path, _ in addition.before} | set(addition.new)
    assert [path for path in touched if path not in listed and f"`{Path(path).parent}/`" not in listed] == []


def _write_farbfeld(path):
    pixels = np.random.default_rng(0).integers(0, 1 << 16, (24, 32, 4))
    path.write_bytes(b"farbfeld" + np.array([32, 24], ">u4").tobytes() + pixels.astype(">u2").tobytes())


def _run(command, folder):
    done = subprocess.run(
        [sys.executable, "-m", "cnncli", *split(command)], cwd=folder, input=b"9 9 4; 9 9 4; 9 9 4", capture_output=True
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said
