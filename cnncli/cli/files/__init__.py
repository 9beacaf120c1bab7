"""Running commands over files, and their output: plans, progress, reports, previews, explanations."""
