"""What `train`, `predict`, `evaluate` and `learn` print."""
