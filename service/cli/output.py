"""What a run prints: results on standard output, messages on standard error."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

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

MAX_TABLE_ROWS = 50
"""Longest table on the screen if the same rows are also written to a CSV file."""


_TAB_SEPARATED = ("path", "predicted_class", "assessment", "probability")


class Output:
    """Prints outcomes, one after the other; by itself none."""

    def add(self, outcome: Outcome) -> None:
        """Print the next outcome."""

    def close(self) -> None:
        """Finish after the last outcome."""


class JsonLines(Output):
    """Prints one JSON object per line, as soon as a file is done."""

    def add(self, outcome: Outcome) -> None:
        """Print the next outcome."""
        print_line(to_json(outcome.as_json()))


class TabSeparatedLines(Output):
    """Prints tab-separated lines with a header, for the next program in a pipe.

    Args:
        members: Names of the networks.
    """

    def __init__(self, members: Sequence[str]) -> None:
        print_line("\t".join((*_TAB_SEPARATED, *members, "warnings")))

    def add(self, outcome: Outcome) -> None:
        """Print the next outcome."""
        result = outcome.result
        if isinstance(result, Failure):
            print_line(f"{outcome.path}\t{result.code}")
            return
        name, *probabilities = _cells(outcome)
        warnings = " ".join(result.warnings)
        print_line("\t".join((outcome.path, name, result.assessment, *probabilities, warnings)))


class TerminalTable(Output):
    """Prints a table at the end, when the progress bar is gone.

    Args:
        members: Names of the networks.
        positive: The class to highlight.
        max_rows: With more outcomes than this, no table is printed; None for no limit.
    """

    def __init__(self, members: Sequence[str], positive: str, max_rows: int | None) -> None:
        self._positive = positive
        self._max_rows = max_rows
        self._count = 0
        self._table = Table(
            "File", "Assessment", "Class", box=None, pad_edge=False, header_style="bold"
        )
        for heading in ("Probability", *members):
            self._table.add_column(heading, justify="right")
        self._table.add_column("Warnings")
        self._table.columns[0].overflow = self._table.columns[-1].overflow = "fold"

    def add(self, outcome: Outcome) -> None:
        """Print the next outcome."""
        self._count += 1
        if self._fits():
            # Text and not str: rich would interpret markup in a file name.
            path, result = Text(outcome.path), outcome.result
            if isinstance(result, Failure):
                # The reasons are printed below the table.
                self._table.add_row(path, Text("failed", "red"))
                return
            name, *probabilities = _cells(outcome)
            label = Text(name, "bold" if name == self._positive else "")
            warnings = Text(", ".join(result.warnings), "yellow")
            self._table.add_row(path, result.assessment, label, *probabilities, warnings)

    def close(self) -> None:
        """Finish after the last outcome."""
        if self._count and self._fits():
            Console().print(self._table)

    def _fits(self) -> bool:
        return self._max_rows is None or self._count <= self._max_rows


class RateColumn(ProgressColumn):
    """Shows files per second, averaged over the latest files."""

    def render(self, task: Task) -> Text:
        """Render the column."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


class ProgressBar:
    """A progress bar on standard error."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def step(self) -> None:
        """Advance by one file."""
        self._progress.advance(self._task)


@contextmanager
def progress_bar(title: str, total: int, *, enabled: bool) -> Iterator[ProgressBar]:
    """Show a progress bar while the context lasts, if standard error is a terminal."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        refresh_per_second=4,  # each refresh takes the interpreter lock from the screening threads
        disable=not (enabled and console.is_terminal),
    )
    with progress:
        yield ProgressBar(progress, progress.add_task(title, total=total))


def print_line(line: str) -> None:
    """Print a line of the answer on standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # the next program in a pipe gets each line at once


def print_message(text: str) -> None:
    """Print a line about the run on standard error."""
    sys.stderr.write(f"{text}\n")


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Write JSON that standard output can encode."""
    encoding = (sys.stdout.encoding or "").lower()
    return json.dumps(value, indent=indent, ensure_ascii=not encoding.startswith("utf"))


def _cells(outcome: Outcome) -> list[str]:
    if isinstance(outcome.result, Failure):
        return [outcome.result.code]
    verdict = outcome.result
    probabilities = (verdict.probability, *(member.probability for member in verdict.members))
    return [verdict.predicted_class, *(f"{probability:.4f}" for probability in probabilities)]
