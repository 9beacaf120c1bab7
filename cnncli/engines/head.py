"""The head of a network: the meaning of its outputs, for losses, predictions and probabilities.

Losses work on logits, so that a softmax at the end (or the sigmoid of a single output) is taken off for training: the
loss does the same sum with less rounding. Predictions have it back. Parameters keep their names and shapes.
"""

import numpy as np

from cnncli.arrays import Array
from cnncli.engines.losses import Logistic, Loss, softmax
from cnncli.errors import ArgumentError
from cnncli.networks import Network
from cnncli.networks.heads import output_count
from cnncli.networks.layers import Chain, Sequential
from cnncli.shapes import show_shape


def output_kind(network: Network) -> str:
    """Return the kind of the outputs: scores, probabilities, chances or distances (see `Layer`)."""
    return network.layers.unrolled[-1].words[-1].output_kind


def logits_network(network: Network, loss: Loss) -> Network:
    """Return the network whose outputs the loss works on.

    Example:
        >>> from cnncli.networks import parse_network
        >>> from cnncli.engines.losses import CrossEntropy
        >>> print(logits_network(parse_network("4x4x1 fc-10,softmax"), CrossEntropy()))
        4x4x1 fc-10
    """
    taken_off = "chances" if output_count(network) == 1 else "probabilities"
    if loss.takes_outputs or output_kind(network) != taken_off:
        return network
    return _without_last(network)


def without_squashing(network: Network) -> Network:
    """Return the network whose outputs are scores: without a softmax or sigmoid at its end. Arrays keep their names.

    Example:
        >>> from cnncli.networks import parse_network
        >>> print(without_squashing(parse_network("4x4x1 fc-10,sigmoid")))
        4x4x1 fc-10
    """
    return _without_last(network) if output_kind(network) in ("probabilities", "chances") else network


def _without_last(network: Network) -> Network:
    *layers, last = network.layers.unrolled
    rest = last.words[:-1]
    return network.replace(layers=Sequential((*layers, *((Chain(rest),) if len(rest) > 1 else rest))))


class DistanceLoss:
    """Loss of distances, where the smallest is the best: the loss of their negatives."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def __call__(self, distances: Array, labels: Array) -> tuple[float, Array]:
        """Return the sum of the losses, and its gradient by the distances."""
        total, gradient = self.loss(-distances, labels)
        return total, np.negative(gradient, out=gradient)

    def total_weight(self, labels: Array) -> float:
        """Return the divisor that turns sum and gradient into means."""
        return self.loss.total_weight(labels)

    def weight(self, labels: Array) -> float:
        """Return the sum of the weights of labels."""
        return self.loss.weight(labels)


def logits_loss(loss: Loss, network: Network) -> Loss | DistanceLoss:
    """Return the loss of the outputs of `logits_network`."""
    return DistanceLoss(loss) if output_kind(network) == "distances" else loss


def predictions(logits: Array, network: Network) -> Array:
    """Return the predicted class of each row of logits, (N, outputs) or (N, 1, 1, outputs), of the loss's network."""
    logits = logits.reshape(len(logits), -1)
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(np.int64)
    best: Array = logits.argmin(axis=1) if output_kind(network) == "distances" else logits.argmax(axis=1)
    return best


def probabilities(outputs: Array, network: Network) -> Array:
    """Return (N, classes) numbers from 0 to 1 for a network's outputs; each row adds up to 1.

    The outputs are (N, outputs) or (N, 1, 1, outputs). Those of a softmax stay as they are. One output is the second of
    two classes, through a sigmoid unless the network ends in one. Anything else goes through a softmax.
    """
    return as_probabilities(outputs.reshape(len(outputs), -1), output_kind(network))


def as_probabilities(outputs: Array, kind: str) -> Array:
    """Return `probabilities` of outputs (N, outputs) of a kind that `output_kind` returns.

    Example:
        >>> as_probabilities(np.array([[0.25]]), "chances").tolist()
        [[0.75, 0.25]]
    """
    if outputs.shape[1] > 1:
        return outputs if kind == "probabilities" else softmax(-outputs if kind == "distances" else outputs)
    if kind != "chances":
        return Logistic().probabilities(outputs)
    return np.concatenate([1 - outputs, outputs], axis=1)


def check_outputs(network: Network, classes: int, loss: Loss) -> None:
    """Check that a network can tell so many classes apart with this loss.

    Raises:
        ArgumentError: it cannot; the message says what would.
    """
    wanted = loss.outputs(classes)
    if output_count(network) != wanted:
        raise ArgumentError(
            f"the network puts out {show_shape(network.output_shape)}, the data has {classes} classes: "
            f"{_fitting(network, classes, wanted)}"
        )
    if output_kind(network) == "chances" and wanted > 1 and not loss.takes_outputs:
        raise ArgumentError(
            f"a network that tells {classes} classes apart ends in softmax or in its fc alone; sigmoid fits one output "
            "of two classes (fc-1,sigmoid with --loss logistic) or --loss squared_error"
        )


def _fitting(network: Network, classes: int, wanted: int) -> str:
    first, *rest = network.layers.unrolled[-1].words
    if classes == 2 and output_count(network) == 1:
        return "add --loss logistic, or let it end in fc-2"
    if first.dense:
        fitting = ",".join(map(str, (first.replace(out_features=wanted), *rest)))
        layers = " ".join(map(str, (*network.layers.layers[:-1], fitting)))
        return f"let it end in {fitting}, as in --network '{layers}'"
    return f"let it end in fc-{wanted}"
