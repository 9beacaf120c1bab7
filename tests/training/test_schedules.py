import pytest

from cnncli.training.configuration import Configuration
from cnncli.training.schedules import SCHEDULES


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 0.5, 2])
def test_rates_are_positive_and_never_above_the_one_asked_for(name, warmup):
    plan = Configuration(lr=0.1, epochs=6, schedule=name, warmup=warmup)
    rates = [plan.learning_rate(step, 7) for step in range(6 * 7)]
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
    plan = Configuration(lr=0.2, epochs=epochs, schedule=name, warmup=0)
    for step in range(epochs * steps):
        assert plan.learning_rate(step, steps) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        oracle.step()


@pytest.mark.parametrize("name", SCHEDULES)
def test_steps_past_the_end_keep_the_last_rate(name):
    plan = Configuration(lr=0.1, epochs=1, schedule=name, warmup=0)
    assert plan.learning_rate(4, 4) == plan.learning_rate(400, 4) >= 0
