"""Judging models: by classes of whole pictures, and by boxes."""
