"""What a training needs before its first step: data, what is held out of it, a network that fits, options left open."""
