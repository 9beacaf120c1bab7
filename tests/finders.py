"""What finds boxes in tests, without any training: spots of a colour on black."""

import numpy as np
from PIL import Image
from scipy import ndimage

from cnncli.data.boxes.boxes import Boxes
from cnncli.data.normalization import Normalization
from cnncli.models.predictor import Predictor

COLORS = ("red", "green", "blue")


class SpotDetector(Predictor):
    """Finds spots of red, green and blue as a detector does; the score of a spot is its brightness."""

    class_names = COLORS
    normalization = Normalization((0.0,), (255.0,))
    resize, scale, origin = "stretch", "bytes", ""
    concurrent = True

    input_shape = None  # in place of a property

    def __init__(self, size=(96, 128), channels=3):
        self.input_shape = (*size, channels)

    def outputs(self, pictures, jobs=1):
        assert pictures.shape[1:] == self.input_shape
        return pictures

    def boxes(self, outputs, sizes, *, threshold, nms, top):
        return [found_spots(picture, size, threshold, top) for picture, size in zip(outputs, sizes, strict=True)]


def found_spots(picture, size, threshold, top):
    """The spots of a picture as boxes of one that had another size."""
    places, labels, scores = [], [], []
    for channel in range(picture.shape[2]):
        marked, _ = ndimage.label(picture[..., channel] > 40)
        for number, (rows, columns) in enumerate(ndimage.find_objects(marked), start=1):
            score = picture[..., channel][marked == number].max() / 255
            if score >= threshold:
                place = columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
                places.append(place)
                labels.append(channel)
                scores.append(score)
    scale = np.array([size[1] / picture.shape[1], size[0] / picture.shape[0]] * 2)
    best = np.argsort(-np.array(scores), kind="stable")[:top]
    return Boxes.of(np.array(places).reshape(-1, 4) * scale, labels, scores).chosen(best)


def spots(*boxes, size=(96, 128)):
    """A black picture with spots (color, level, x, y, width, height)."""
    pixels = np.zeros((*size, 3), np.uint8)
    for color, level, x, y, width, height in boxes:
        pixels[y : y + height, x : x + width, COLORS.index(color)] = level
    return pixels


def save_spots(path, *boxes, **options):
    """Write such a picture as a file."""
    Image.fromarray(spots(*boxes)).save(path, **options)
