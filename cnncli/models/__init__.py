"""Networks with weights: their files, predictions, measures, and exports."""
