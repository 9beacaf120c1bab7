"""Options and output of the commands that train networks and use models."""
