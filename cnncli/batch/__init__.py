"""One function over many files: inputs, output names, workers, whole files or none, and one report an output.

Nothing here knows what the function does.
"""

from cnncli.batch.inputs import STANDARD, Input, Shard, find_inputs
from cnncli.batch.manifest import Manifests
from cnncli.batch.plan import Job, OutputRule, make_folders, plan, refuse_existing
from cnncli.batch.running import Report, Work, run, summary
from cnncli.batch.temporary import remove_leftovers, whole_file

__all__ = [
    "STANDARD",
    "Input",
    "Job",
    "Manifests",
    "OutputRule",
    "Report",
    "Shard",
    "Work",
    "find_inputs",
    "make_folders",
    "plan",
    "refuse_existing",
    "remove_leftovers",
    "run",
    "summary",
    "whole_file",
]
