"""What spoke for a class in a picture."""
