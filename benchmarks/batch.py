"""Batches of photographs: `cnncli edge` on a folder, beside pyvips and OpenCV scripts and one process per file.

All read the same JPEGs, take the Sobel magnitude of the luma, a full step as white, and write JPEG (quality 90) or PNG
(each tool's default settings), with two workers, whole processes, in turn; what is printed are medians. With `--chain`
a Gaussian of sigma 1.4 comes first, cut off at 4 sigma by all.
"""

import argparse
import functools
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import skimage.data
from PIL import Image, ImageDraw

from cnncli.batch.inputs import Input
from cnncli.batch.memory import reuse_freed_memory
from cnncli.batch.plan import Job
from cnncli.filters.chains import load_chains
from cnncli.filters.named import DEFAULT
from cnncli.filters.rendering import Rendering
from cnncli.pipelines.edging import EdgePipeline

SIZE = (1920, 1280)
WORKERS = 2
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "camera", "retina", "hubble_deep_field")
SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
TARGETS = {"jpeg": 0.85, "png": 0.7}
CHAIN, CHAIN_TARGET = "gaussian:1.4 sobel", 0.9
PYVIPS = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
os.environ["VIPS_CONCURRENCY"] = "1"
import pyvips
sources, target, suffix, blurred = sys.argv[1:]
options = {"Q": 90} if suffix == ".jpg" else {}
def work(name):
    image = pyvips.Image.new_from_file(f"{sources}/{name}", access="sequential")
    image = image.colourspace("b-w")
    if blurred:
        image = image.gaussblur(1.4, min_ampl=0.0003)
    image.sobel().write_to_file(f"{target}/{name[:-4]}{suffix}", **options)
with ThreadPoolExecutor(2) as pool:
    list(pool.map(work, sorted(os.listdir(sources))))
"""
OPENCV = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
import cv2
cv2.setNumThreads(1)
sources, target, suffix, blurred = sys.argv[1:]
options = [cv2.IMWRITE_JPEG_QUALITY, 90] if suffix == ".jpg" else []
def work(name):
    gray = cv2.imread(f"{sources}/{name}", cv2.IMREAD_GRAYSCALE)
    if blurred:
        gray = cv2.GaussianBlur(gray, (13, 13), 1.4)
    x, y = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    cv2.imwrite(f"{target}/{name[:-4]}{suffix}", cv2.convertScaleAbs(cv2.magnitude(x, y), alpha=0.25), options)
with ThreadPoolExecutor(2) as pool:
    list(pool.map(work, sorted(os.listdir(sources))))
"""


def photographs() -> list[Image.Image]:
    """Return the photographs that scikit-image has on this machine."""
    made = []
    for name in PHOTOGRAPHS:
        try:
            made.append(Image.fromarray(getattr(skimage.data, name)()).convert("RGB"))
        except (ImportError, OSError, ConnectionError):
            continue  # some are fetched from the network
    return made


def make_photographs(folder: Path, count: int) -> None:
    """Write photographs of one size, each cut from another place and brightened otherwise."""
    rng = np.random.default_rng(0)
    originals = photographs()
    for number in range(count):
        original = originals[number % len(originals)]
        share = rng.uniform(0.6, 1)
        width = share * min(original.width, original.height * SIZE[0] / SIZE[1])
        height = width * SIZE[1] / SIZE[0]
        left, top = rng.uniform(0, original.width - width), rng.uniform(0, original.height - height)
        picture = original.resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        # A camera's noise: enlarged pictures alone would be smoother than photographs are.
        noise = rng.normal(0, 3, (SIZE[1], SIZE[0], 1)) + rng.uniform(-20, 20)
        pixels = (np.asarray(picture) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05d}.jpg", quality=90)


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def cnncli(sources: Path, target: Path, form: str, filter_words: str = DEFAULT) -> None:
    words = ["edge", str(sources), "-f", filter_words, "--scale", "unit", "-r", "-o", f"{target}/"]
    words += ["-q", "--force", "--format", form]
    run([sys.executable, "-m", "cnncli", *words, "-j", str(WORKERS)])


def script(text: str, sources: Path, target: Path, form: str, words: str) -> None:
    blurred = "blurred" if words == CHAIN else ""
    run([sys.executable, "-c", text, str(sources), str(target), SUFFIXES[form], blurred])


def per_file(command: Callable[[str, str], list[list[str]]], sources: Path, target: Path, form: str) -> None:
    def work(path: Path) -> None:
        for words in command(str(path), str(target / (path.stem + SUFFIXES[form]))):
            run(words)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, sorted(sources.iterdir())))


def vips_commands(source: str, target: str) -> list[list[str]]:
    gray = f"{target}.v"
    return [["vips", "colourspace", source, gray, "b-w"], ["vips", "sobel", gray, target]]


def gm_commands(source: str, target: str) -> list[list[str]]:
    return [["gm", "convert", source, "-colorspace", "GRAY", "-edge", "1", *quality(target), target]]


def magick_commands(program: str, source: str, target: str) -> list[list[str]]:
    return [[program, source, "-colorspace", "gray", "-edge", "1", *quality(target), target]]


def quality(target: str) -> list[str]:
    return ["-quality", "90"] if target.endswith(".jpg") else []


def magick() -> str | None:
    """Return ImageMagick's program, if it is there."""
    for name in ("magick", "convert"):
        if shutil.which(name):
            said = subprocess.run([name, "-version"], capture_output=True, text=True, check=False).stdout
            if said.startswith("Version: ImageMagick"):
                return name
    return None


def commands_per_file() -> dict[str, Callable[[str, str], list[list[str]]]]:
    found: dict[str, Callable[[str, str], list[list[str]]]] = {}
    if shutil.which("vips"):
        found["vips, a process per file"] = vips_commands
    if shutil.which("gm"):
        found["gm convert, a process per file"] = gm_commands
    if program := magick():
        found["ImageMagick, a process per file"] = functools.partial(magick_commands, program)
    return found


def bare(sources: Path, target: Path, form: str, words: str) -> float:
    """Return the seconds that decoding, filtering and encoding take by themselves, on warm threads.

    No start-up, plan, list of what is done, temporary names or reports.
    """
    pipeline = EdgePipeline(load_chains([words], None, None), rendering=Rendering("unit"), format=form)
    waiting: Iterator[Path] = iter(sorted(sources.iterdir()))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                path = next(waiting, None)
            if path is None:
                return
            output = str(target / (path.stem + SUFFIXES[form]))
            pipeline(Job(Input(str(path), path.name), (output,)), [output])

    begin = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin


def timed(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def processor_seconds() -> float:
    """Return the processor time of this process and of those it waited for: what other programs disturb least."""
    spent = [resource.getrusage(whom) for whom in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def compare(folder: Path, form: str, rounds: int, words: str) -> None:
    """Print a table of all tools on one format and one filter."""
    sources, few, target = folder / "photographs", folder / "few", folder / "out"
    count, few_count = len(list(sources.iterdir())), len(list(few.iterdir()))
    calls: dict[str, Callable[[], float]] = {
        "cnncli edge": lambda: timed(lambda: cnncli(sources, target, form, words)),
        "pyvips, 2 threads": lambda: timed(lambda: script(PYVIPS, sources, target, form, words)),
        "OpenCV, 2 threads": lambda: timed(lambda: script(OPENCV, sources, target, form, words)),
        "(decode, filter, encode alone)": lambda: bare(sources, target, form, words),
    }
    scale = count / few_count
    for name, command in commands_per_file().items() if words == DEFAULT else ():
        calls[name] = lambda command=command: scale * timed(lambda: per_file(command, few, target, form))
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    processor: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            emptied(target)
            before = processor_seconds()
            seconds[name].append(call())
            processor[name].append((processor_seconds() - before) * (scale if "per file" in name else 1))
    medians = {name: median(times) for name, times in seconds.items()}
    rival = min(("pyvips, 2 threads", "OpenCV, 2 threads"), key=medians.__getitem__)
    target_ratio = TARGETS[form] if words == DEFAULT else CHAIN_TARGET
    print(f"\n{words}, JPEG to {form.upper()}, {count} photographs of {SIZE[0]} x {SIZE[1]}")
    print(f"{'':34}{'seconds':>9}{'processor':>11}{'images/s':>10}{'to ' + rival.partition(',')[0]:>12}")
    for name, value in medians.items():
        # Ratios of pairs: a busy moment of the machine meets both.
        ratio = median(mine / other for mine, other in zip(seconds[name], seconds[rival], strict=True))
        goal = f"   (target {target_ratio})" if name == "cnncli edge" else ""
        print(f"{name:34}{value:9.2f}{median(processor[name]):11.2f}{count / value:10.1f}{ratio:12.2f}{goal}")
    mine = seconds["cnncli edge"]
    if "vips, a process per file" in seconds:
        faster = median(a / b for a, b in zip(seconds["vips, a process per file"], mine, strict=True))
        print(f"cnncli is {faster:.1f} times as fast as a vips process per file (target 4)")
    share = median(a / b for a, b in zip(seconds["(decode, filter, encode alone)"], mine, strict=True))
    print(f"cnncli reaches {share:.0%} of the speed of decode, filter and encode alone (target 90 %)")


def page_of_text() -> Image.Image:
    page = Image.new("L", (1654, 2339), 255)
    draw = ImageDraw.Draw(page)
    for line in range(90):
        draw.text((120, 100 + 24 * line), "The quick brown fox jumps over the lazy dog, and runs. " * 4, fill=0)
    return page


def compare_sizes(folder: Path) -> None:
    """Print the sizes of PNG files beside Pillow's default on the same pixels."""
    few, text, target = folder / "few", emptied(folder / "text"), emptied(folder / "out")
    page_of_text().save(text / "page.png")
    print("\nPNG sizes, to Pillow's default on the same pixels (target 1.15 at most)")
    for name, sources in {"edges of photographs": few, "edges of a page of text": text}.items():
        cnncli(sources, emptied(target), "png")
        ours = theirs = 0
        for path in target.glob("*.png"):
            stream = io.BytesIO()
            Image.open(path).save(stream, "png")
            ours, theirs = ours + path.stat().st_size, theirs + len(stream.getvalue())
        print(f"{name:34}{ours / 1000:9.0f} KB{theirs / 1000:9.0f} KB{ours / theirs:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="photographs")
    parser.add_argument("--chain", action="store_true", help=f"filter with {CHAIN!r} instead of {DEFAULT!r}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few", type=int, default=20, help="photographs for tools that take a process per file")
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    reuse_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photographs").mkdir()
        (folder / "few").mkdir()
        make_photographs(folder / "photographs", options.count)
        for path in sorted((folder / "photographs").iterdir())[: options.few]:
            os.link(path, folder / "few" / path.name)
        for form in SUFFIXES:
            compare(folder, form, options.rounds, CHAIN if options.chain else DEFAULT)
        compare_sizes(folder)


if __name__ == "__main__":
    main()
