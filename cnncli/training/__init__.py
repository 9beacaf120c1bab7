"""The training loop: configuration, schedules, checkpoints, and the folder of a run."""
