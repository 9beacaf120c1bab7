"""Pictures drawn from numbers: SVG, pages, and pixels with text and lines."""
