"""What computes a network forwards and backwards, in NumPy and in PyTorch: losses, optimizers, first weights."""
