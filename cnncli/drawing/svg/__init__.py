"""SVG written as text: no NumPy, no Pillow, and no fonts but those of the viewer."""
