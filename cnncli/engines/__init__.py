"""Engines, which compute networks forwards and backwards with NumPy or PyTorch: losses, optimizers, first weights."""
