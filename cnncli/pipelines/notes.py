"""Notes on one output, for a report and for the user."""

from typing import Any

from cnncli.filters.statistics import Statistics
from cnncli.ops.borders import Rows

Details = dict[str, Any]


class Notes:
    """Details of one output for a report, noted while it is made."""

    def __init__(self, name: str, *, statistics: bool) -> None:
        self.statistics = Statistics() if statistics else None
        self._details: Details = {"filter": name}

    def shapes(self, frame: Rows, made: Rows) -> None:
        """Note the shapes of the first frame and of its result."""
        self._details.setdefault("input_shape", list(frame.shape))
        self._details.setdefault("output_shape", list(made.shape))

    def hint(self, words: str) -> None:
        """Note something that the user should know; a run says it once."""
        self._details.setdefault("hints", []).append(words)

    def doubt(self, words: str) -> None:
        """Note that the output may not be what the user wants; a run says it where that is so of half its files."""
        self._details.setdefault("doubts", []).append(words)

    def details(self) -> Details:
        """Return all details."""
        return self._details | (self.statistics.report() if self.statistics else {})
