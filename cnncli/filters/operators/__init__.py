"""Operators, which filter words stand for, and their responses to images."""
