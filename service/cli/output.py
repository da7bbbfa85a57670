"""What is seen of a run: answers on standard output, everything about the run on standard error."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from service.cli.outcome import Failure, Outcome

TABLE_ROWS = 50
"""Most rows of a table on the screen when the same rows stand in a CSV as well."""


class Answers(Protocol):
    """Where the outcomes go, one after the other."""

    def show(self, outcome: Outcome) -> None:
        """Take the next outcome."""

    def close(self) -> None:
        """No further outcome comes."""


class Nothing:
    """Shows no answer: they are wanted in a file only."""

    def show(self, outcome: Outcome) -> None:
        """Take the next outcome."""

    def close(self) -> None:
        """No further outcome comes."""


class JsonLines:
    """One JSON object a line, as soon as a file is done."""

    def show(self, outcome: Outcome) -> None:
        """Take the next outcome."""
        _say(json.dumps(outcome.as_json(), ensure_ascii=False))

    def close(self) -> None:
        """No further outcome comes."""


class PlainLines:
    """Tab-separated lines under a header, for the next program of a pipe."""

    def __init__(self, members: Sequence[str]) -> None:
        _say("\t".join(("path", "predicted_class", "probability", *members)))

    def show(self, outcome: Outcome) -> None:
        """Take the next outcome."""
        _say("\t".join((outcome.path, *_figures(outcome))))

    def close(self) -> None:
        """No further outcome comes."""


class ScreenTable:
    """A table on a terminal, drawn at the end, when the bar is gone.

    Args:
        members: Names of the networks.
        positive: The class that stands out.
        most_rows: With more outcomes than this nothing is drawn; None for no limit.
    """

    def __init__(self, members: Sequence[str], positive: str, most_rows: int | None) -> None:
        self._positive = positive
        self._most = most_rows
        self._count = 0
        self._table = Table("File", "Class", box=None, pad_edge=False, header_style="bold")
        for heading in ("Probability", *members):
            self._table.add_column(heading, justify="right")
        self._table.columns[0].overflow = "fold"

    def show(self, outcome: Outcome) -> None:
        """Take the next outcome."""
        self._count += 1
        if self._most is None or self._count <= self._most:
            name, *rest = _figures(outcome)
            said = Text(name, "bold" if name == self._positive else "")
            if isinstance(outcome.result, Failure):
                said = Text("failed", "red")  # the reasons stand below the table
            # A Text is taken as it is: a file's name may look like markup.
            self._table.add_row(Text(outcome.path), said, *rest)

    def close(self) -> None:
        """No further outcome comes."""
        if self._count and (self._most is None or self._count <= self._most):
            Console().print(self._table)


class Rate(ProgressColumn):
    """Files a second, measured over the latest of them."""

    def render(self, task: Task) -> Text:
        """Draw the column."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


class Bar:
    """Draws how far a run is."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def step(self) -> None:
        """One more file is done."""
        self._progress.advance(self._task)


@contextmanager
def bar(title: str, total: int, *, shown: bool) -> Iterator[Bar]:
    """Draw a bar on standard error while the context lasts, if that is a terminal."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        refresh_per_second=4,  # each drawing takes the interpreter from the threads that screen
        disable=not (shown and console.is_terminal),
    )
    with progress:
        yield Bar(progress, progress.add_task(title, total=total))


def note(text: str) -> None:
    """Say a line about the run, on standard error."""
    print(text, file=sys.stderr)  # noqa: T201 - for the person at the keyboard


def _figures(outcome: Outcome) -> list[str]:
    if isinstance(outcome.result, Failure):
        return [outcome.result.code]
    verdict = outcome.result
    probabilities = (verdict.probability, *(member.probability for member in verdict.members))
    return [verdict.predicted_class, *(f"{probability:.4f}" for probability in probabilities)]


def _say(line: str) -> None:
    # Flushed at once: the next program of a pipe gets each answer when it is there.
    print(line, flush=True)  # noqa: T201 - it is what the command is for
