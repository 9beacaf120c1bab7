"""Write the handwritten digits beside this script: a folder for each digit, 60 small PNG files in each.

They are the first sixty of each class in scikit-learn's `load_digits`, enlarged from 8x8 to 16x16 pixels. Needs
scikit-learn, NumPy and Pillow: python samples/make_digits.py
"""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

HERE = Path(__file__).resolve().parent
EACH = 60
SIZE = 16
SOURCE = """600 handwritten digits of 16x16 pixels: the first 60 of each class in scikit-learn's load_digits.

From "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49, licence: Creative Commons Attribution 4.0 International (CC BY 4.0),
https://creativecommons.org/licenses/by/4.0/. Changed: chosen, enlarged and stored as PNG by ../make_digits.py.
"""


def picture(levels):
    """An 8x8 digit with levels 0 to 16, white on black, enlarged."""
    image = Image.fromarray(np.rint(levels * (255 / 16)).astype(np.uint8))
    return image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def main(folder=HERE / "digits"):
    """Write every picture and where they come from."""
    digits = load_digits()
    for digit in range(10):
        below = folder / str(digit)
        below.mkdir(parents=True, exist_ok=True)
        for number in np.flatnonzero(digits.target == digit)[:EACH]:
            picture(digits.images[number]).save(below / f"{number:04}.png", optimize=True)
    (folder / "SOURCE.txt").write_text(SOURCE)


if __name__ == "__main__":
    main()
