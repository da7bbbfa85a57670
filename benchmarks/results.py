"""All that one run found, as the Markdown page that it leaves behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks import report
from benchmarks.figures import Beside, Figures, Growth
from benchmarks.measure import TURNS


@dataclass(frozen=True, slots=True)
class Results:
    """What one run found.

    Attributes:
        made_at: When it began, with its time zone.
        machine: What it ran on, a line each.
        set_up: What was sent, by whom and how, a line each.
        measured: By contender; ours first.
        unmeasured: Why a contender is missing.
        beside: Of the bare loop and ours, taking turns.
        growth: Of our memory.
        cores: Of each contender.
    """

    made_at: datetime
    machine: Sequence[str]
    set_up: Sequence[str]
    measured: Mapping[str, Figures]
    unmeasured: Mapping[str, str]
    beside: Beside | None
    growth: Growth | None
    cores: int


def page(results: Results) -> str:
    """The whole page."""
    parts = [
        "# Side by side\n",
        f"Written by `make bench` on {results.made_at:%Y-%m-%d %H:%M} UTC; not edited by hand.\n",
        _listed(results.machine) + _listed(results.set_up),
        "In brackets: how many times better ours is (below 1: worse). Memory counts what each "
        "process of a contender has for itself, and once what they share. The last column is the "
        "largest distance of a probability from the bare loop's.\n",
        report.markdown(report.comparison(results.measured, results.unmeasured)),
    ]
    if results.beside:
        rows = report.against_floor(results.beside, results.cores)
        told = _FLOOR.format(rounds=results.beside.rounds, turns=TURNS)
        parts += ["## Against the floor\n", told, report.markdown(rows)]
    if results.growth:
        rows = report.memory(results.growth)
        parts += ["## Memory over time\n", _GROWTH, report.markdown(rows)]
    return "\n".join(parts)


_FLOOR = (
    "The floor is a bare loop over the same radiographs: decode, prepare, score; no HTTP, no "
    "queue. For one client it has all cores' threads; for eight, a loop of one thread runs on each "
    "core at the same time, because cores that are all at work are slower than one alone. Floor "
    "and service take turns, {rounds} rounds long, with one client {turns} times in each; the "
    "figures are medians over the rounds, and so differ from those above.\n"
)

_GROWTH = (
    "Formats, sizes and kinds of answers are mixed; memory is read when nothing has been asked for "
    "a while.\n"
)


def write(results: Results, file: Path) -> None:
    """Replace the page as a whole."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(page(results), encoding="utf-8")
    unfinished.replace(file)


def _listed(lines: Sequence[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)
