"""Neural style transfer: a picture with the content of one and the texture of others."""
