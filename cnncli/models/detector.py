"""A network of ours that finds objects: boxes in pictures."""

from collections.abc import Sequence

from cnncli.arrays import Array
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.data.resizing import Placement, Size
from cnncli.engines.detection.decoding import best_boxes, decode
from cnncli.engines.detection.grid import Grid
from cnncli.errors import ArgumentError, ModelError
from cnncli.models.finding.options import FindingOptions
from cnncli.models.model import BOXES, FINDS, TrainedNetwork

LEAST = 0.01
"""The least score of boxes that are judged: curves of precision and recall need the bad ones, too."""

_USUAL = FindingOptions()
THRESHOLD, NMS, TOP = _USUAL.threshold, _USUAL.nms, _USUAL.top
"""The least score of a box, the IoU above which the worse of two boxes of a class is dropped, and the most boxes of a
picture, unless others are asked for."""


class Detector(TrainedNetwork):
    """A network of ours that finds boxes: its last word puts out an objectness, a box and the classes of each cell.

    Example:
        >>> from cnncli.data.normalization import Normalization
        >>> from cnncli.networks import parse_network
        >>> network = parse_network("16x16x1 conv3-8,s4,p1,relu conv1-6")
        >>> arrays = {name: np.zeros(shape, np.float32) for name, shape in network.param_shapes().items()}
        >>> detector = Detector(network, arrays, {}, ("cell",), Normalization((0.0,), (255.0,)))
        >>> outputs = detector.outputs(np.zeros((1, 16, 16, 1), np.uint8))
        >>> outputs.shape, len(detector.boxes(outputs, [(32, 32)], threshold=0.6)[0].scores)
        ((1, 4, 4, 6), 0)
    """

    def check_outputs(self) -> None:
        try:
            Grid.of(self.network, len(self.class_names))
        except ArgumentError as error:
            raise ModelError(str(error)) from error

    @property
    def grid(self) -> Grid:
        """The cells of its outputs."""
        return Grid.of(self.network, len(self.class_names))

    @property
    def metadata(self) -> dict[str, str]:
        """The texts of the model's file."""
        return {**super().metadata, FINDS: BOXES}

    def boxes(
        self,
        outputs: Array,
        sizes: Sequence[Size],
        *,
        threshold: float = THRESHOLD,
        nms: float = NMS,
        top: int | None = TOP,
    ) -> list[Boxes]:
        """Return the boxes of pictures by the network's outputs for them, the best first.

        Args:
            outputs: (N, rows, columns, 5 + classes).
            sizes: (height, width) of each picture before it was resized; boxes are in its pixels.
            threshold: the least score of a box.
            nms: the IoU above which the worse of two boxes of a class is dropped.
            top: the most boxes of a picture; None for all.
        """
        found = decode(outputs, self.grid, threshold)
        best = (best_boxes(boxes, nms, top) for boxes in found)
        return [self._in_picture(boxes, size) for boxes, size in zip(best, sizes, strict=True)]

    def find_all(self, dataset: BoxDataset, *, threshold: float = LEAST, jobs: int = 1) -> list[Boxes]:
        """Return the boxes of the objects in every picture of a data set, in pixels of the pictures as they are."""
        dataset = dataset.resized(self.grid.size, self.resize)
        found = []
        for indices, images in dataset.chunks():
            sizes = [(height, width) for height, width in dataset.sizes[indices].tolist()]
            found += self.boxes(self.outputs(images, jobs), sizes, threshold=threshold)
        return found

    def _in_picture(self, boxes: Boxes, size: Size) -> Boxes:
        """Return boxes of the network's input as boxes of the picture that was resized for it, cut at its border."""
        way = Placement.of(size, self.grid.size, self.resize)
        return boxes.moved(way.back(boxes.places)).inside(size)
