"""What a filter's name means and what it makes of rows of pixels: kernels, responses, pictures, explanations."""
