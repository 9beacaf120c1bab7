"""What commands that work on files print: plans, progress, reports, previews, explanations."""
