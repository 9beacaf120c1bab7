"""What finds boxes in tests, without any training: spots of a colour, or bright squares, on black."""

import numpy as np
from PIL import Image
from scipy import ndimage

from cnncli.data.boxes.boxes import Boxes
from cnncli.data.normalization import Normalization
from cnncli.models.detector import Detector
from cnncli.models.model import Model
from cnncli.networks import parse_network

COLORS = ("red", "green", "blue")


class SpotDetector(Detector):
    """Finds spots of red, green and blue; the score of a spot is its brightness."""

    @property
    def concurrent(self):
        return True

    def outputs(self, pictures, jobs=1):
        assert pictures.shape[1:] == self.input_shape
        return pictures

    def boxes(self, outputs, sizes, *, threshold, nms=0.5, top=None):
        return [found_spots(picture, size, threshold, top) for picture, size in zip(outputs, sizes, strict=True)]


def spot_detector(size=(96, 128), channels=3, names=COLORS):
    """A detector of spots in pictures of a size; its network does nothing."""
    network = parse_network(f"{size[0]}x{size[1]}x{channels} conv1-{5 + len(names)}")
    arrays = {name: np.zeros(shape, np.float32) for name, shape in network.param_shapes().items()}
    return SpotDetector(network, arrays, {}, names, Normalization((0.0,) * channels, (255.0,) * channels))


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


def bright_model(names=("background", "bright")):
    """A model of 8x8 pictures that says how much brighter the inner 4x4 pixels are than the rest."""
    network = parse_network("8x8x1 fc-2,softmax")
    weight = np.full((8, 8), -1 / 48, np.float32)
    weight[2:6, 2:6] = 1 / 16
    both = np.stack([0 * weight.ravel(), 16 * weight.ravel()], axis=1)
    parameters = {"0.fc.weight": both, "0.fc.bias": np.array([0, -8], np.float32)}
    return Model(network, parameters, {}, names, Normalization((0.0,), (255.0,)))


def canvas(*spots, size=(60, 80)):
    """A dark picture with bright squares of some sides."""
    picture = np.zeros(size, np.uint8)
    for x, y, side in spots:
        picture[y : y + side, x : x + side] = 255
    return picture
