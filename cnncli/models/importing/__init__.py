"""Networks with weights out of files that other programs wrote."""
