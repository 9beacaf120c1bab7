"""Detection by a grid: which cells learn which boxes, the loss of their numbers, and boxes from numbers."""
