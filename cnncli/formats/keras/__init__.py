"""Keras models and weights, in archives and in HDF5, read as data."""
