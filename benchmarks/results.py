"""The results of one run, as a Markdown page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from benchmarks import report
from benchmarks.figures import Figures, FloorComparison, MemoryGrowth
from benchmarks.measure import TURNS
from service.inference.atomic_write import atomic_write


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one run.

    Attributes:
        made_at: Start of the run, with time zone.
        machine: Lines that describe the machine.
        setup: Lines that describe the measurement.
        measured: Figures by contender; ours first.
        failed: Reasons why contenders were not measured.
        comparison: The service compared to the bare loop.
        growth: Memory growth of the service.
        cores: Cores of each contender.
    """

    made_at: datetime
    machine: Sequence[str]
    setup: Sequence[str]
    measured: Mapping[str, Figures]
    failed: Mapping[str, str]
    comparison: FloorComparison | None
    growth: MemoryGrowth | None
    cores: int


def page(results: Results) -> str:
    """The whole page."""
    parts = [
        "# Side by side\n",
        f"Written by `make bench` on {results.made_at:%Y-%m-%d %H:%M} UTC; not edited by hand.\n",
        _listed(results.machine) + _listed(results.setup),
        "In brackets: how many times better ours is (below 1: worse). Memory is the private memory "
        "of all processes of a contender plus shared memory, counted once. The last column is the "
        "largest difference of a probability from the bare loop.\n",
        report.markdown(report.comparison_table(results.measured, results.failed)),
    ]
    if results.comparison:
        rows = report.floor_table(results.comparison, results.cores)
        text = _FLOOR.format(rounds=results.comparison.rounds, turns=TURNS)
        parts += ["## Against the floor\n", text, report.markdown(rows)]
    if results.growth:
        rows = report.memory(results.growth)
        parts += ["## Memory over time\n", _GROWTH, report.markdown(rows)]
    return "\n".join(parts)


_FLOOR = (
    "The floor is a bare loop over the same radiographs, without HTTP or queue. Compared to one "
    "client it runs alone; compared to eight clients, one loop runs on every core, because busy "
    "cores are slower than a single busy one. Floor and service take turns for {rounds} rounds, "
    "with one client {turns} times in each; the figures are medians over the rounds and therefore "
    "differ from those above.\n"
)

_GROWTH = "Formats, sizes and kinds of responses are mixed; memory is read after an idle period.\n"


def write(results: Results, file: Path) -> None:
    """Write the page, atomically."""
    with atomic_write(file) as temporary:
        temporary.write_text(page(results), encoding="utf-8")


def write_figures(results: Results, file: Path) -> None:
    """Write the bare figures as JSON, atomically; ``benchmarks.scale.sizing`` reads them."""
    figures = {
        "cores": results.cores,
        "setup": list(results.setup),
        "measured": {name: asdict(figures) for name, figures in results.measured.items()},
        "growth": asdict(results.growth) if results.growth else None,
    }
    with atomic_write(file) as temporary:
        temporary.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def _listed(lines: Sequence[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)
