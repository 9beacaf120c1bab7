"""Filters: names, kernels, responses, pictures of responses, explanations; and pooling by rows."""
