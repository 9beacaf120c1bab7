import math

import pytest

from cnncli.errors import ArgumentError
from cnncli.training.schedules import SCHEDULES, Schedule


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 0.5, 2])
def test_rates_are_positive_and_never_above_the_one_asked_for(name, warmup):
    plan = Schedule(0.1, epochs=6, steps_per_epoch=7, name=name, warmup=warmup)
    rates = [plan.at(step) for step in range(6 * 7)]
    assert all(0 < rate <= 0.1 for rate in rates)
    assert max(rates) == 0.1
    rising = round(warmup * 7)
    assert rates[:rising] == sorted(rates[:rising])
    assert rates[rising:] == sorted(rates[rising:], reverse=True)
    for step in range(rising):
        assert rates[step] == pytest.approx(0.1 * (step + 1) / rising)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    from torch.optim import lr_scheduler as schedulers

    epochs, steps = 8, 5
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    oracle = {
        "constant": lambda: schedulers.ConstantLR(optimizer, factor=1),
        "step": lambda: schedulers.MultiStepLR(optimizer, milestones=[20, 30]),
        "cosine": lambda: schedulers.CosineAnnealingLR(optimizer, T_max=epochs * steps),
    }[name]()
    plan = Schedule(0.2, epochs, steps, name)
    for step in range(epochs * steps):
        assert plan.at(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        oracle.step()


@pytest.mark.parametrize("name", SCHEDULES)
def test_steps_past_the_end_keep_the_last_rate(name):
    plan = Schedule(0.1, epochs=1, steps_per_epoch=4, name=name)
    assert plan.at(4) == plan.at(400) >= 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "cosin"}, "unknown schedule 'cosin': the schedules are constant, step, cosine"),
        ({"lr": 0}, "lr must be a number above 0, got 0"),
        ({"lr": math.nan}, "lr must be a number above 0, got nan"),
        ({"warmup": -1}, "warmup must be a number of epochs from 0, got -1"),
        ({"warmup": 3}, "a warm-up of 3 epochs leaves nothing of 3"),
    ],
)
def test_what_makes_no_schedule_is_refused(change, message):
    with pytest.raises(ArgumentError, match=message):
        Schedule(0.1, 3, 10).replace(**change)
