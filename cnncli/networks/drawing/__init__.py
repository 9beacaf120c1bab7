"""Drawings of networks, from their summaries."""

from cnncli.networks.drawing.drawing import draw_network

__all__ = ["draw_network"]
