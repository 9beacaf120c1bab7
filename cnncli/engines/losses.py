"""Losses: a number for how wrong outputs are, with its gradient.

A loss takes logits (N, outputs) and labels (N,) and gives the sum over the batch and the gradient of that sum, so that
shards of a batch can be added up; divided by `total_weight`, both are the mean that PyTorch gives.

To add one, write a class with `outputs`, `probabilities` and `_sum_and_gradient`, and enter it in `LOSSES`.
"""

from typing import TYPE_CHECKING, ClassVar

from cnncli.errors import ArgumentError
from cnncli.lazy import Lazy
from cnncli.values import Value

if TYPE_CHECKING:  # the registry is read for `--help`, which must not load NumPy
    import numpy as np

    from cnncli.arrays import Array
else:
    np = Lazy("numpy")


class Loss(Value):
    """Base of all losses.

    Attributes:
        label_smoothing: e; a label keeps 1 - e of its weight, and e is spread evenly over all classes
            (Szegedy et al., arXiv:1512.00567).
        class_weights: weight of the items of each class; None for 1.
        takes_outputs: whether it works on the network's outputs as they are, and not on logits.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None

    takes_outputs: ClassVar[bool] = False

    def validate(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ArgumentError(f"label_smoothing must be from 0 to below 1, got {self.label_smoothing!r}")
        if self.class_weights is None:
            return
        weights = tuple(float(weight) for weight in self.class_weights)
        if not all(0 <= weight < float("inf") for weight in weights) or not any(weights):
            raise ArgumentError(f"class weights must be numbers from 0, not all of them 0, got {weights}")
        self.normalize(class_weights=weights)

    def __call__(self, logits: "Array", labels: "Array") -> "tuple[float, Array]":
        """Return the sum of the losses of a batch, and its gradient.

        Args:
            logits: (N, outputs).
            labels: (N,), integers.

        Returns:
            The sum, and the gradient by the logits, in their shape and dtype. Logits that are not finite give a sum
            that is not finite.

        Example:
            >>> loss, gradient = CrossEntropy()(np.array([[0.0, 0.0]]), np.array([1]))
            >>> round(loss, 4), gradient.tolist()
            (0.6931, [[0.5, -0.5]])
        """
        if logits.ndim != 2 or len(logits) != len(labels):
            raise ArgumentError(f"logits of shape {logits.shape} do not fit {len(labels)} labels")
        with np.errstate(all="ignore"):  # the caller looks at the sum
            return self._sum_and_gradient(logits, labels)

    def total_weight(self, labels: "Array") -> float:
        """Return the divisor of the sum and the gradient of a batch for their mean: the weight of its labels."""
        return self.weight(labels)

    def weight(self, labels: "Array") -> float:
        """Return the sum of the weights of labels, which adds up over batches."""
        return float(len(labels) if self.class_weights is None else np.asarray(self.class_weights)[labels].sum())

    def outputs(self, classes: int) -> int:
        """Return the number of logits for a number of classes.

        Raises:
            ArgumentError: the loss does not fit that number.
        """
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ArgumentError(f"{len(self.class_weights)} class weights do not fit {classes} classes")
        return classes

    def probabilities(self, logits: "Array") -> "Array":
        """Return (N, classes) numbers from 0 to 1; each row adds up to 1."""
        return softmax(logits)

    def _sum_and_gradient(self, logits: "Array", labels: "Array") -> "tuple[float, Array]":
        raise NotImplementedError

    def _weights(self, labels: "Array", like: "Array") -> "Array":
        """Return the weight of each item, (N, 1)."""
        if self.class_weights is None:
            return np.ones((len(labels), 1), like.dtype)
        return np.asarray(self.class_weights, like.dtype)[labels][:, np.newaxis]


class CrossEntropy(Loss):
    """Softmax cross-entropy: -sum_k t_k w_k log p_k with p = softmax(z); its gradient is p sum_k(t_k w_k) - t w.

    t is 1 for the label and 0 elsewhere, smoothed. The weights w count per class, as in PyTorch's cross_entropy: with
    smoothing, each class's share is weighted by that class (Bishop, "Pattern Recognition", 4.3.4).
    """

    def _sum_and_gradient(self, logits: "Array", labels: "Array") -> "tuple[float, Array]":
        targets = _smooth_one_hot(labels, logits, self.label_smoothing)
        if self.class_weights is not None:
            targets *= np.asarray(self.class_weights, logits.dtype)
        shifted = logits - logits.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        sums = powers.sum(axis=1, keepdims=True)
        total = float(((np.log(sums) - shifted) * targets).sum(dtype=np.float64))
        powers *= targets.sum(axis=1, keepdims=True) / sums
        powers -= targets
        return total, powers


class Logistic(Loss):
    """Logistic loss of one output z for two classes: log(1 + e^z) - t z; its gradient is sigmoid(z) - t.

    t is the label, 0 or 1, smoothed (Bishop, "Pattern Recognition", 4.3.2; PyTorch's
    binary_cross_entropy_with_logits).
    """

    def outputs(self, classes: int) -> int:
        if classes != 2:
            raise ArgumentError(f"the logistic loss tells two classes apart, there are {classes}: use cross_entropy")
        super().outputs(classes)
        return 1

    def probabilities(self, logits: "Array") -> "Array":
        return softmax(np.concatenate([np.zeros_like(logits), logits], axis=1))

    def _sum_and_gradient(self, logits: "Array", labels: "Array") -> "tuple[float, Array]":
        targets = labels[:, np.newaxis].astype(logits.dtype)
        targets *= 1 - self.label_smoothing
        targets += self.label_smoothing / 2
        weights = self._weights(labels, logits)
        losses = np.logaddexp(0, logits) - targets * logits
        gradient: Array = (self.probabilities(logits)[:, 1:] - targets) * weights
        return float((losses * weights).sum(dtype=np.float64)), gradient


class SquaredError(Loss):
    """Mean over the outputs of (z_k - t_k)^2; its gradient is 2 (z - t) / K.

    t is 1 for the label and 0 elsewhere, smoothed: LeNet-5 of 1998 was trained so (PyTorch's mse_loss).
    """

    takes_outputs: ClassVar[bool] = True

    def probabilities(self, logits: "Array") -> "Array":
        positive: Array = np.maximum(logits, 0)
        sums = positive.sum(axis=1, keepdims=True)
        return np.where(sums > 0, positive / np.where(sums > 0, sums, 1), softmax(logits))

    def _sum_and_gradient(self, logits: "Array", labels: "Array") -> "tuple[float, Array]":
        difference = logits - _smooth_one_hot(labels, logits, self.label_smoothing)
        weights = self._weights(labels, logits)
        total = float((difference * difference * weights).sum(dtype=np.float64)) / logits.shape[1]
        difference *= weights * (2 / logits.shape[1])
        return total, difference


LOSSES: dict[str, type[Loss]] = {"cross_entropy": CrossEntropy, "logistic": Logistic, "squared_error": SquaredError}


def softmax(logits: "Array") -> "Array":
    """Return e^z_k / sum_j e^z_j of each row, without overflow.

    Example:
        >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]])).tolist()
        [[0.5, 0.5], [1.0, 0.0]]
    """
    with np.errstate(all="ignore"):
        powers: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
        powers /= powers.sum(axis=1, keepdims=True)
    return powers


def balanced_weights(labels: "Array", classes: int) -> tuple[float, ...]:
    """Return class weights by the inverse of their frequency: N / (classes n_c) (scikit-learn's "balanced").

    A class without items gets 0.

    Example:
        >>> balanced_weights(np.array([0, 0, 0, 1]), 2)
        (0.6666666666666666, 2.0)
    """
    counts = np.bincount(labels, minlength=classes)
    return tuple(len(labels) / (classes * int(count)) if count else 0.0 for count in counts)


def _smooth_one_hot(labels: "Array", logits: "Array", smoothing: float) -> "Array":
    classes = logits.shape[1]
    targets = np.full(logits.shape, smoothing / classes, logits.dtype)
    targets[np.arange(len(labels)), labels] += 1 - smoothing
    return targets
