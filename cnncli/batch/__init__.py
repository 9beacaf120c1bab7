"""One function over many files: inputs, output names, workers, and one report an output.

Nothing here knows what the function does.
"""

from cnncli.batch.inputs import Input, Shard, find_inputs
from cnncli.batch.manifest import Manifests
from cnncli.batch.plan import Job, OutputRule, make_folders, plan, refuse_existing, work_folders
from cnncli.batch.running import Executor, run, summary
from cnncli.batch.task import ALONE, Grouping, Report, Task, Work

__all__ = [
    "ALONE",
    "Executor",
    "Grouping",
    "Input",
    "Job",
    "Manifests",
    "OutputRule",
    "Report",
    "Shard",
    "Task",
    "Work",
    "find_inputs",
    "make_folders",
    "plan",
    "refuse_existing",
    "run",
    "summary",
    "work_folders",
]
