"""Boxes of objects in pictures: files of labels, data sets."""
