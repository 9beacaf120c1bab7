"""Rank filters: the median, the least and the greatest pixel of each window."""
