"""Options on how objects are found in images."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Concatenate, ParamSpec

import typer

from cnncli.cli.options import with_options
from cnncli.cli.training.options import parse_probability
from cnncli.models.finding.options import FindingFields, FindingOptions, parse_scales
from cnncli.values import Value

P = ParamSpec("P")

search_option = partial(typer.Option, rich_help_panel="Objects")
_DEFAULT = FindingOptions()


class SearchOptions(Value):
    """The options on how objects are looked for: each field is an option, as its annotation declares it."""

    nms: Annotated[
        str | None,
        search_option(
            metavar="X",
            help="Of two boxes of a class that overlap by more than this (intersection over union), keep the better "
            f"one. Default: {_DEFAULT.nms:g}.",
        ),
    ] = None
    top: Annotated[
        int | None, search_option(min=1, metavar="K", help=f"Most boxes per image. Default: {_DEFAULT.top}.")
    ] = None
    scales: Annotated[
        str | None,
        search_option(
            metavar="A:B",
            help="With a classifier: factors by which images are resized before it slides over them, from A to B; at "
            "0.5, windows cover objects twice as large.",
        ),
    ] = None
    exact: Annotated[
        bool,
        search_option(
            "--exact",
            help="With a classifier: classify each window by itself. Slow, and exact where the network pads.",
        ),
    ] = False
    background: Annotated[
        str | None,
        search_option(
            metavar="CLASS", help="With a classifier: class that is no object. Default: background, if there is one."
        ),
    ] = None

    @property
    def given(self) -> tuple[str, ...]:
        """The options that are given, as they are written."""
        return tuple(f"--{name}" for name in self.fields if getattr(self, name) != self.defaults[name])

    def finding(self, threshold: str | None = None, *, least: float = _DEFAULT.threshold) -> FindingOptions:
        """Return the options as the library takes them, with the threshold that is given, or else the least score.

        Raises:
            ArgumentError: one is out of its range, or cannot be read.
        """
        given: FindingFields = {"threshold": least, "exact": self.exact, "background": self.background}
        if threshold is not None:
            given["threshold"] = parse_probability(threshold, "--threshold")
        if self.nms is not None:
            given["nms"] = parse_probability(self.nms, "--nms")
        if self.top is not None:
            given["top"] = self.top
        if self.scales is not None:
            given["scales"] = parse_scales(self.scales, "--scales")
        return FindingOptions(**given)


def about_search(command: Callable[Concatenate[SearchOptions, P], None]) -> Callable[..., None]:
    """Declare the options of `SearchOptions` for a command, in place of its first parameter."""
    kinds = SearchOptions.__annotations__
    declared = {name: (kinds[name], SearchOptions.defaults[name]) for name in SearchOptions.fields}
    return with_options(declared, SearchOptions)(command)
