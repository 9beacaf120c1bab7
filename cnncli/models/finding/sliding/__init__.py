"""A classifier that slides over pictures of any size: windows of several sizes that show an object, as boxes."""
