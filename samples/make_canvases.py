"""Draw the canvases beside this script: one to five digits each, among strokes, blobs and pieces of digits.

`canvases/train` and `canvases/val` hold the pictures, and where the digits are as COCO JSON. The digits are those of
`digits/`; no digit is in both parts. `--crops FOLDER` writes windows of the canvases of `train` instead: a folder for
each digit and one of background, for a classifier; `--empty FOLDER` writes canvases without digits. The same pixels
come out on every run with one version of Pillow.

Needs only NumPy and Pillow: python samples/make_canvases.py [--crops FOLDER | --empty FOLDER]
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 128, 96
PARTS = {"train": (120, range(32)), "val": (30, range(32, 40))}  # number of canvases, and of the digits' files
STEP = 16  # between levels of grey: a third of the bytes
WINDOW = 28  # side of a crop


def ink(digit, number):
    """How much of each pixel a digit of `digits/` covers, 0 to 1."""
    levels = np.asarray(Image.open(HERE / "digits" / str(digit) / f"{number:02}.png"), float)
    low = np.median(levels) + 30
    return ((levels - low) / (levels.max() - low)).clip(0, 1)


def trimmed(cover):
    """The part of a picture that something covers."""
    rows, columns = ((cover > 0.3).any(axis) for axis in (1, 0))
    top, left = rows.argmax(), columns.argmax()
    return cover[top : len(rows) - rows[::-1].argmax(), left : len(columns) - columns[::-1].argmax()]


def scaled(cover, rng):
    """A digit, or a piece, at some scale; its picture ends where it ends."""
    image = Image.fromarray(np.rint(cover * 255).astype(np.uint8))
    scale = np.exp(rng.uniform(np.log(0.7), np.log(1.8)))
    size = [max(4, round(side * scale)) for side in image.size]
    return trimmed(np.asarray(image.resize(size, Image.Resampling.BICUBIC)) / 255)


def piece(cover, rng):
    """A corner of a digit, on its side: it has a digit's strokes, and is none."""
    cover = trimmed(cover)
    height, width = (int(side * rng.uniform(0.45, 0.75)) for side in cover.shape)
    return np.rot90(np.rot90(cover, 2 * rng.integers(2))[:height, :width], 1 + 2 * rng.integers(2))


def ground(rng):
    """A canvas without digits: a slope of grey, blobs and strokes."""
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    steep, slant = rng.uniform(-30, 30, 2)
    slope = rng.uniform(30, 90) + steep * down / HEIGHT + slant * across / WIDTH
    image = Image.fromarray(slope.clip(0).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, 5)):
        draw.ellipse(around(rng, rng.uniform(4, 22), flat=0.5), fill=int(rng.uniform(10, 150)))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, 5)):
        stroke(draw, rng)
    return np.asarray(image, float)


def around(rng, radius, flat=1):
    """Left, top, right and bottom of an ellipse whose middle is anywhere."""
    x, y = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
    return x - radius, y - radius * flat, x + radius, y + radius * flat


def stroke(draw, rng):
    """Draw a line or an arc."""
    look = {"fill": int(rng.uniform(90, 220)), "width": int(rng.integers(1, 4))}
    start = rng.uniform(0, 360)
    if rng.random() < 0.5:
        draw.arc(around(rng, rng.uniform(8, 30)), start, start + rng.uniform(40, 140), **look)
    else:
        x, y, length = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(10, 60)
        draw.line((x, y, x + length * np.cos(start), y + length * np.sin(start)), **look)


def put(pixels, cover, taken, rng):
    """Paint a digit or a piece where nothing is yet; return its box, or None where no place was found."""
    height, width = cover.shape
    for _ in range(30):
        left, top = int(rng.integers(1, WIDTH - width)), int(rng.integers(1, HEIGHT - height))
        # A free pixel or more on every side.
        if all(left > x + w or x > left + width or top > y + h or y > top + height for x, y, w, h in taken):
            window = pixels[top : top + height, left : left + width]
            window += cover * (rng.uniform(130, 255) - window)
            taken.append((left, top, width, height))
            return taken[-1]
    return None


def canvas(digits, rng, torn=()):
    """A picture with the digits that found a place, and their boxes: digit, x, y, width, height.

    Pieces are of the digits themselves, or of others that are torn.
    """
    pixels, boxes, taken = ground(rng), [], []
    for digit, cover in digits:
        if box := put(pixels, scaled(cover, rng), taken, rng):
            boxes.append((digit, *box))
    for _ in range(rng.integers(1, 6)):
        _, cover = (torn or digits)[rng.integers(len(torn or digits))]
        put(pixels, scaled(piece(cover, rng), rng), taken, rng)
    noisy = pixels + rng.normal(0, rng.uniform(1, 5), pixels.shape)
    return (np.rint(noisy / STEP).clip(0, 255 // STEP) * STEP).astype(np.uint8), boxes


def part(name):
    """Yield the canvases of a part: pixels and boxes."""
    (count, numbers), rng = PARTS[name], np.random.default_rng(list(PARTS).index(name))
    deck = []  # every digit before any comes again
    for _ in range(count):
        digits = []
        for _ in range(rng.integers(1, 6)):
            if not deck:
                deck = list(rng.permutation([(digit, number) for digit in range(10) for number in numbers]))
            digit, number = map(int, deck.pop())
            digits.append((digit, ink(digit, number)))
        yield canvas(digits, rng)


def described(boxes):
    """What COCO JSON says of the canvases of a part, given the boxes of each."""
    return {
        "images": [
            {"id": at, "file_name": f"{at:03}.png", "width": WIDTH, "height": HEIGHT} for at in range(len(boxes))
        ],
        "annotations": [
            {"id": at, "image_id": image, "category_id": digit + 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for at, (image, digit, *box) in enumerate((i, *box) for i, found in enumerate(boxes) for box in found)
        ],
        "categories": [{"id": digit + 1, "name": str(digit)} for digit in range(10)],
    }


def main(folder=HERE / "canvases"):
    """Write both parts."""
    for name in PARTS:
        below = folder / name
        below.mkdir(parents=True, exist_ok=True)
        pictures, boxes = zip(*part(name), strict=True)
        for number, pixels in enumerate(pictures):
            Image.fromarray(pixels).save(below / f"{number:03}.png", optimize=True)
        text = json.dumps(described(boxes)).replace(', {"id"', ',\n {"id"')
        (below / "annotations.json").write_text(text + "\n")


def crops(folder):
    """Write windows of the canvases of `train`: digits, in squares a third larger than they are, and background.

    A window of background has no digit in its middle; there may be a part of one, or a small one beside it.
    """
    rng, written = np.random.default_rng(0), Counter()
    for pixels, boxes in part("train"):
        windows = [(str(digit), x + w / 2, y + h / 2, max(w, h) * 4 / 3) for digit, x, y, w, h in boxes]
        for _ in range(8):
            side = rng.uniform(16, 44)
            x, y = rng.uniform(side / 2, (WIDTH - side / 2, HEIGHT - side / 2))
            if not any(max(abs(x - left), abs(y - top)) < side / 4 for _, left, top, _ in windows):
                windows.append(("background", x, y, side))
        for name, x, y, side in windows:
            below = Path(folder) / name
            below.mkdir(parents=True, exist_ok=True)
            box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
            crop = Image.fromarray(pixels).transform(
                (WINDOW,) * 2, Image.Transform.EXTENT, box, Image.Resampling.BILINEAR
            )
            crop.save(below / f"{written[name]:03}.png", optimize=True)
            written[name] += 1


def empty(folder, count=100):
    """Write canvases without digits, but with pieces of those of `train`."""
    rng = np.random.default_rng(len(PARTS))
    torn = [(digit, ink(digit, number)) for digit in range(10) for number in PARTS["train"][1]]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(canvas([], rng, torn)[0]).save(Path(folder) / f"{number:03}.png", optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", metavar="FOLDER")
    parser.add_argument("--empty", metavar="FOLDER")
    options = parser.parse_args()
    if options.crops:
        crops(options.crops)
    elif options.empty:
        empty(options.empty)
    else:
        main()
