"""Reports: a training, or an evaluation, as one web page that can be mailed."""
