"""`cnncli train`: train a network on labelled pictures."""

from cnncli.cli import training_options as options
from cnncli.errors import ArgumentError

EXAMPLES = """Examples:

cnncli train samples/digits

cnncli train mnist/ --network lenet5 --epochs 10 --optimizer momentum --schedule cosine -o runs/lenet5

cnncli train photos/ --size 64 --augment flip,shift:4 --early-stop 5 -o runs/photos

cnncli train photos/ -o runs/photos --resume --epochs 40
"""


def train(
    data: options.Data = None,
    network: options.Network = None,
    output: options.Output = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    optimizer: options.OptimizerOption = None,
    lr: options.LearningRate = None,
    momentum: options.Momentum = None,
    weight_decay: options.WeightDecay = None,
    schedule: options.ScheduleOption = None,
    warmup: options.Warmup = None,
    loss: options.LossOption = None,
    label_smoothing: options.LabelSmoothing = None,
    class_weight: options.ClassWeightOption = None,
    clip_norm: options.ClipNorm = None,
    early_stop: options.EarlyStop = None,
    seed: options.Seed = None,
    augment: options.Augment = None,
    val: options.Val = None,
    size: options.Size = None,
    resize: options.ResizeOption = None,
    channels: options.Channels = None,
    strict: options.Strict = False,
    config: options.Config = None,
    resume: options.Resume = False,
    force: options.Force = False,
    jobs: options.Jobs = None,
    engine: options.EngineOption = "numpy",
    device: options.DeviceOption = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a network on labelled pictures; the folder of the run gets the model, and all that is known of it.

    The first Ctrl-C, SIGTERM or SIGHUP finishes the batch and saves; --resume goes on there, to the bit.
    """
    given = {
        "network": network,
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "lr": lr,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "warmup": warmup,
        "loss": loss,
        "label_smoothing": label_smoothing,
        "class_weight": class_weight,
        "clip_norm": clip_norm,
        "early_stop": early_stop,
        "seed": seed,
        "augment": ",".join(augment) if augment else None,
        "val": val,
        "size": size,
        "resize": resize,
        "channels": channels,
        "strict": strict or None,
    }
    from cnncli.cli.training.training_run import TrainingRun

    if resume and force:
        raise ArgumentError("--resume goes on with a run, --force overwrites it: choose one")
    if as_json and quiet:
        raise ArgumentError("--json prints a line an epoch, --quiet none: choose one")
    chosen = {name: value for name, value in given.items() if value is not None}
    TrainingRun(data, output, chosen, config, resume, force, jobs, as_json, quiet, engine, device).run()
