"""A program for torchrun: trains networks, and writes what the first process found."""

import json
import os
import sys

from cnncli.engines.backends import open_backend
from cnncli.training.runs import train


def main(data, cases, output):
    with open_backend("torch", "cpu") as backend:
        found = []
        for options in json.loads(cases):
            run = train(options.pop("data", data), engine=backend, jobs=1, **options)
            found.append({"metrics": run.metrics, "scores": run.scores is not None})
            found[-1]["weights"] = {name: array.ravel().tolist() for name, array in run.model.parameters.items()}
    with open(f"{output}.{os.environ.get('RANK', 0)}", "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
