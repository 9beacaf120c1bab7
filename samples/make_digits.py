"""Draw the digits beside this script: a folder for each digit, 40 small PNG files in each.

They are set in the two fonts that Pillow ships, in several sizes and strokes, turned, sheared, shifted and covered with
noise. The same pixels come out on every run with one version of Pillow's FreeType.

Needs only NumPy and Pillow: python samples/make_digits.py
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
EACH = 40
SIZE = 28
LARGE = 4 * SIZE  # drawn four times as large, then reduced: smooth edges


def outline(digit, rng):
    """A digit in Pillow's outline font, white on black, in some size and stroke."""
    image = Image.new("L", (LARGE, LARGE))
    font = ImageFont.load_default(size=float(rng.uniform(0.6, 0.9) * LARGE))
    middle = (LARGE / 2, LARGE / 2)
    ImageDraw.Draw(image).text(
        middle, str(digit), font=font, fill=255, anchor="mm", stroke_width=int(rng.integers(0, 4))
    )
    return image


def bitmap(digit, rng):
    """A digit in Pillow's bitmap font of 6x11 pixels, enlarged."""
    font = ImageFont.load_default_imagefont()
    small = Image.new("L", (10, 15))
    ImageDraw.Draw(small).text((2, 2), str(digit), font=font, fill=255)
    height = int(rng.uniform(0.8, 1.1) * LARGE)
    width = int(height * rng.uniform(0.65, 0.9))
    image = Image.new("L", (LARGE, LARGE))
    image.paste(small.resize((width, height), Image.Resampling.BICUBIC), ((LARGE - width) // 2, (LARGE - height) // 2))
    return image


def moved(image, rng):
    """The picture turned, sheared and shifted a little about its middle."""
    turn, shear = np.deg2rad(rng.uniform(-12, 12)), rng.uniform(-0.2, 0.2)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [[1, shear], [0, 1]]
    shift = LARGE / 2 - matrix @ (LARGE / 2 + rng.uniform(-0.06, 0.06, 2) * LARGE)
    coefficients = (*matrix[0], shift[0], *matrix[1], shift[1])
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)


def picture(digit, rng):
    """A digit of SIZE x SIZE pixels, not quite white on not quite black, with noise."""
    drawn = moved(outline(digit, rng) if rng.random() < 0.7 else bitmap(digit, rng), rng)
    levels = np.asarray(drawn.resize((SIZE, SIZE), Image.Resampling.BOX)) / 255
    dark, bright = rng.uniform(0, 25), rng.uniform(200, 255)
    noisy = dark + (bright - dark) * levels + rng.normal(0, rng.uniform(2, 14), levels.shape)
    return Image.fromarray(np.rint(noisy.clip(0, 255)).astype(np.uint8))


def main(folder=HERE / "digits"):
    """Write every picture."""
    rng = np.random.default_rng(0)
    for digit in range(10):
        below = folder / str(digit)
        below.mkdir(parents=True, exist_ok=True)
        for number in range(EACH):
            picture(digit, rng).save(below / f"{number:02}.png", optimize=True)


if __name__ == "__main__":
    main()
