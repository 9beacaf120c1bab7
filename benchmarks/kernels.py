"""The convolution core beside OpenCV, both on one thread, in one process, in turn.

Run `python benchmarks/kernels.py`; `--quick` takes smaller images and fewer rounds.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported: it is read but once

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np
import skimage.data
from rich.console import Console
from rich.table import Table
from timing import alternating, copy_speed

from cnncli.batch.memory import reuse_freed_memory
from cnncli.filters.edges import edge_picture, filter_image
from cnncli.filters.named import FILTERS
from cnncli.ops import conv2d, max_pool2d, rank_filter

Array = np.ndarray[Any, Any]

SAME = {"padding": "same", "padding_mode": "reflect"}

CANNY = (102, 204)  # 10 and 20 percent of a full step: the defaults of `canny`


class Case(NamedTuple):
    """One figure: what we do, what the other side does, and how much longer we may take."""

    name: str
    ours: Callable[[], Array]
    theirs: Callable[[], Array]
    target: float
    image: Array
    alike: bool = True  # whether both sides give the same numbers


def opencv_magnitude(image: Array) -> Array:
    g_x, g_y = (cv2.Sobel(image, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return cv2.convertScaleAbs(cv2.magnitude(g_x, g_y), alpha=0.25)


def opencv_canny(image: Array) -> Array:
    smooth = cv2.GaussianBlur(image, (9, 9), 1)
    return cv2.Canny(smooth, *CANNY, L2gradient=True)


def opencv_chain(image: Array, dtype: type[np.generic] = np.uint8) -> Array:
    smooth = cv2.GaussianBlur(image.astype(dtype, copy=False), (13, 13), 1.4)
    return opencv_magnitude(smooth)


def integer_kernels(rng: np.random.Generator) -> dict[str, Array]:
    named = {
        name: np.array(FILTERS[name].kernels[0]) for name in ("emboss", "laplacian", "sharpen", "scharr", "prewitt")
    }
    return {**named, "random, rank 3": rng.integers(-7, 8, (3, 3))}


def cases(size: int) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (size, size), dtype=np.uint8), (0, 0), 2) * 3
    yield Case(
        "Sobel, one direction, 16 bits",
        lambda: filter_image(image, "sobel", direction="vertical"),
        lambda: cv2.Sobel(image, cv2.CV_16S, 1, 0),
        1.3,
        image,
    )
    in_proportion = partial(edge_picture, image, "sobel", scale="unit")
    yield Case("Sobel magnitude to 8 bits", in_proportion, partial(opencv_magnitude, image), 0.75, image)
    soft = partial(edge_picture, image, "sobel")
    yield Case("the same on scale soft", soft, partial(opencv_magnitude, image), 0.75, image, alike=False)
    for name, kernel in integer_kernels(rng).items():
        yield Case(
            f"3x3 {name}, 16 bits",
            partial(conv2d, image, kernel, **SAME),
            partial(cv2.filter2D, image, cv2.CV_16S, kernel.astype(np.float32)),
            1.6,
            image,
        )
    floating = image.astype(np.float32)
    row = cv2.getGaussianKernel(9, 2, cv2.CV_32F)
    yield Case(
        "9x9 Gaussian, float32",
        lambda: conv2d(floating, row @ row.T, **SAME),
        lambda: cv2.GaussianBlur(floating, (9, 9), 2),
        2.0,
        floating,
    )
    yield from blurs(image)
    yield from ranks(image)
    dense = rng.normal(size=(31, 31)).astype(np.float32)
    yield Case(
        "31x31 dense, float32",
        lambda: conv2d(floating, dense, **SAME),
        lambda: cv2.filter2D(floating, cv2.CV_32F, dense),
        1.2,
        floating,
    )
    times = -(-size // len(skimage.data.camera()))
    for name, pixels in (("noise", image), ("a photograph, tiled", np.tile(skimage.data.camera(), (times, times)))):
        yield Case(
            f"Canny of {name}", partial(filter_image, pixels, "canny"), partial(opencv_canny, pixels), 1.5, pixels
        )
    photograph = np.ascontiguousarray(image[: size * 3 // 4])
    yield Case(
        "2x2 max pooling of bytes, beside a copy",
        lambda: max_pool2d(photograph, 2),
        lambda: photograph.copy(),
        4.0,
        photograph,
    )


def blurs(image: Array) -> Iterator[Case]:
    """Blurs of bytes to bytes, and a chain; OpenCV rounds what it smooths, ours does not."""
    for sigma in (2, 10):
        size = 8 * sigma + 1
        yield Case(
            f"gaussian:{sigma}",
            partial(edge_picture, image, f"gaussian:{sigma}"),
            partial(cv2.GaussianBlur, image, (size, size), sigma),
            2.0,
            image,
        )
    # Ours takes as long for any size above 16 pixels, as OpenCV's does.
    for size, target in ((15, 2.0), (101, 4.0), (501, 4.0)):
        yield Case(
            f"box:{size}",
            partial(edge_picture, image, f"box:{size}"),
            partial(cv2.blur, image, (size, size)),
            target,
            image,
        )

    chain = partial(edge_picture, image, "gaussian:1.4 sobel", scale="unit")
    yield Case("gaussian:1.4 sobel", chain, partial(opencv_chain, image), 1.0, image, alike=False)
    unrounded = partial(opencv_chain, image, np.float32)
    yield Case("the same, OpenCV in float32", chain, unrounded, 1.0, image)


def ranks(image: Array) -> Iterator[Case]:
    """Rank filters of bytes, whose borders OpenCV replicates; for medians above 5x5 it counts in histograms."""
    for size, target in ((3, 3.0), (5, 3.0), (9, 1.0), (31, 5.0)):
        yield Case(
            f"median:{size}",
            partial(rank_filter, image, size, "median", padding_mode="replicate"),
            partial(cv2.medianBlur, image, size),
            target,
            image,
        )
    for mode, size, function in (("min", 3, cv2.erode), ("max", 15, cv2.dilate)):
        yield Case(
            f"{mode}:{size}",
            partial(rank_filter, image, size, mode, padding_mode="replicate"),
            partial(function, image, np.ones((size, size), np.uint8)),
            3.0,
            image,
        )


def check(case: Case) -> None:
    """Refuse to time two sides that do not do the same."""
    ours, theirs = case.ours(), case.theirs()
    if ours.shape != theirs.shape or not case.alike:
        return
    if case.name.startswith("Canny"):  # OpenCV rounds what it smooths, and directions to 45 degrees
        assert apart_by_more_than_a_pixel(ours, theirs) < 0.15, case.name
        return
    sign = -1 if case.name.startswith("Sobel, one") else 1
    apart = np.abs(ours.astype(np.float64) - sign * theirs.astype(np.float64)).max()
    # OpenCV blurs bytes in fixed point.
    assert apart <= 1e-5 * np.abs(theirs).max() + (2 if np.uint8 in (ours.dtype, theirs.dtype) else 0), (
        f"{case.name}: {apart} apart"
    )


def apart_by_more_than_a_pixel(edges: Array, others: Array) -> float:
    """Return the share of edge pixels, of either picture, without one of the other beside them."""
    pair = [picture.astype(bool).view(np.uint8) for picture in (edges, others)]
    wide = [cv2.dilate(picture, np.ones((3, 3), np.uint8)) for picture in pair]
    return max(float(1 - other[one > 0].mean()) for one, other in zip(pair, reversed(wide), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="4 instead of 16 megapixels, and fewer rounds")
    quick = parser.parse_args().quick
    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])  # our bands, too, are computed on one thread
    reuse_freed_memory()  # as the commands do
    size, rounds = (2048, 5) if quick else (4096, 11)
    cv2.setNumThreads(1)
    speed = copy_speed()
    table = Table(
        title=f"{size}x{size}, one thread, medians; copy {speed / 1e9:.1f} GB/s read and written",
        caption=f"NumPy {np.__version__}, OpenCV {cv2.__version__}. Bytes: the input read and the output written once.",
    )
    for column in ("", "cnncli ms", "other ms", "ratio", "target", "", "MB", "ms as a copy"):
        table.add_column(column, justify="right" if column else "left")
    for case in cases(size):
        check(case)
        ours, theirs = alternating([case.ours, case.theirs], rounds)
        moved = case.image.nbytes + case.ours().nbytes
        table.add_row(
            case.name,
            f"{ours * 1e3:.1f}",
            f"{theirs * 1e3:.1f}",
            f"{ours / theirs:.2f}",
            f"{case.target:.2f}",
            "met" if ours <= case.target * theirs else "missed",
            f"{moved / 1e6:.0f}",
            f"{moved / speed * 1e3:.1f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
