"""One function over many files: inputs, output names, workers, and one report an output.

Nothing here knows what the function does.
"""
