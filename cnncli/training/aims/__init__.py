"""What a training is after: the classes of whole pictures, or boxes in them."""
