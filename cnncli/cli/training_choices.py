"""The words that options of training take, out of the library's registries."""

from cnncli.choices import RESIZES
from cnncli.cli.options import choice
from cnncli.engines.losses import LOSSES
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.training.configuration import CLASS_WEIGHTS
from cnncli.training.schedules import SCHEDULES

Optimizer = choice("Optimizer", tuple(OPTIMIZERS))
ScheduleName = choice("ScheduleName", tuple(SCHEDULES))
LossName = choice("LossName", tuple(LOSSES))
ClassWeight = choice("ClassWeight", CLASS_WEIGHTS)
Resize = choice("Resize", RESIZES)
