"""Drawings of networks, from their summaries."""

from cnncli.networks.drawing.drawing import STYLES, draw_network

__all__ = ["STYLES", "draw_network"]
