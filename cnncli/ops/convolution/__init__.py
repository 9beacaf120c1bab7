"""Convolution of pictures, exact for integers: `conv2d`, its strategies, and the gradient magnitude made of two."""
