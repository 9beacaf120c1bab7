"""One function over many files: inputs, output names, workers, whole files or none, and one report an output.

Nothing here knows what the function does.
"""

from cnncli.batch.inputs import STANDARD, Input, Shard, find_inputs
from cnncli.batch.manifest import Manifests
from cnncli.batch.plan import Job, OutputRule, make_folders, plan, refuse_existing, work_folders
from cnncli.batch.running import Executor, run, summary
from cnncli.batch.task import Report, Task, Work
from cnncli.files.temporary import open_temporary, open_whole, remove_leftovers, whole_file
from cnncli.batch.threads import Threads

__all__ = [
    "STANDARD",
    "Executor",
    "Input",
    "Job",
    "Manifests",
    "OutputRule",
    "Report",
    "Shard",
    "Task",
    "Threads",
    "Work",
    "find_inputs",
    "make_folders",
    "open_temporary",
    "open_whole",
    "plan",
    "refuse_existing",
    "remove_leftovers",
    "run",
    "summary",
    "whole_file",
    "work_folders",
]
