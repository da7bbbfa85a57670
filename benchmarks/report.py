"""Tables of figures: the same rows for the terminal (Rich) and for Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.figures import Figures, FloorComparison, MemoryGrowth, ratio, share_of_floor


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of each contender.

    Attributes:
        title: Title with unit.
        value: Selects the figure.
        digits: Number of decimals.
        lower_is_better: Whether a lower value is better.
        compared: Whether a ratio to ours is meaningful.
    """

    title: str
    value: Callable[[Figures], float]
    digits: int = 0
    lower_is_better: bool = True
    compared: bool = True


COLUMNS = (
    Column("first answer, s", lambda it: it.first_answer_s, 2),
    Column("1 client: p50, ms", lambda it: it.single.latencies.p50, 1),
    Column("1 client: p95, ms", lambda it: it.single.latencies.p95, 1),
    Column("1 client: p99, ms", lambda it: it.single.latencies.p99, 1),
    Column("8 clients: p50, ms", lambda it: it.crowd.latencies.p50),
    Column("8 clients: p95, ms", lambda it: it.crowd.latencies.p95),
    Column("8 clients: p99, ms", lambda it: it.crowd.latencies.p99),
    Column("8 clients: answers/s", lambda it: it.crowd.per_second, 1, lower_is_better=False),
    Column("8 clients: CPU ms per answer", lambda it: 1000 * it.crowd.cpu_seconds, 1),
    Column("peak memory, MiB", lambda it: it.memory_mib),
    Column("largest difference", lambda it: it.difference, 5, compared=False),
)

Rows = list[list[str]]


def comparison_table(
    measured: Mapping[str, Figures],
    failed: Mapping[str, str],
    columns: Sequence[Column] = COLUMNS,
) -> Rows:
    """A row of titles, then one row per contender; the first one is ours.

    Args:
        measured: Figures by name.
        failed: Reasons why contenders were not measured, by name.
        columns: Which figures to show.

    Returns:
        Cells with the figure and, in brackets, how many times better ours is.
    """
    rows = [["", *(column.title for column in columns)]]
    ours = next(iter(measured.values()), None)
    for name, figures in measured.items():
        rows.append([name, *(_cell(column, figures, ours) for column in columns)])
    empty = [""] * len(columns)
    rows += [[f"{name}: not measured. {reason}", *empty] for name, reason in failed.items()]
    return rows


def _cell(column: Column, figures: Figures, ours: Figures | None) -> str:
    value = column.value(figures)
    text = f"{value:.{column.digits}f}"
    if ours is None or figures is ours or not column.compared:
        return text
    times = ratio(value, column.value(ours), lower_is_better=column.lower_is_better)
    return f"{text} ({times:.1f}x)"


def floor_table(comparison: FloorComparison, cores: int) -> Rows:
    """The cost of HTTP, queue and the rest of the service compared to the work itself."""
    over = comparison.single_ms - comparison.floor_ms
    threads = (
        "1 engine thread"
        if comparison.floor_threads == 1
        else f"{comparison.floor_threads} threads"
    )
    left = cores - comparison.per_second * comparison.client_cpu_s
    return [
        ["", "ours", "bare loop", "difference"],
        [
            f"1 client: p50 (loop with {threads})",
            f"{comparison.single_ms:.1f} ms",
            f"{comparison.floor_ms:.1f} ms",
            f"{over:+.1f} ms ({over / comparison.floor_ms:+.0%})",
        ],
        [
            f"8 clients: answers/s (loops: {cores} cores / CPU time per radiograph, a loop on "
            "each core)",
            *_crowd_cells(comparison.per_second, comparison.floor_cpu_s, cores),
        ],
        [
            f"the same, of the {left:.2f} cores not used by the client",
            *_crowd_cells(comparison.per_second, comparison.floor_cpu_s, left),
        ],
        [
            f"the same, of {cores} cores, by the CPU time of a single loop on an idle machine",
            *_crowd_cells(comparison.per_second, comparison.floor_solo_cpu_s, cores),
        ],
        [
            "8 clients: CPU per answer (a loop on each core)",
            f"{1000 * comparison.cpu_s:.1f} ms",
            f"{1000 * comparison.floor_cpu_s:.1f} ms",
            f"{1000 * (comparison.cpu_s - comparison.floor_cpu_s):+.1f} ms",
        ],
    ]


def _crowd_cells(per_second: float, floor_cpu_s: float, cores: float) -> list[str]:
    share = share_of_floor(per_second, floor_cpu_s, cores)
    return [f"{per_second:.1f}", f"{cores / floor_cpu_s:.1f}", f"{share:.0%} of the loop's"]


def memory(growth: MemoryGrowth) -> Rows:
    """Memory after a few and after many mixed requests."""
    return [
        ["mixed requests", "memory", "against the first"],
        [str(growth.few), f"{growth.few_mib:.0f} MiB", ""],
        [
            str(growth.many),
            f"{growth.many_mib:.0f} MiB",
            f"{growth.many_mib / growth.few_mib - 1:+.1%}",
        ],
    ]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row contains the titles."""
    titles, *body = rows
    rule = ["---"] + ["---:"] * (len(titles) - 1)
    return "".join(f"| {' | '.join(row)} |\n" for row in [titles, rule, *body])


def table(rows: Sequence[Sequence[str]], title: str) -> Table:
    """The same table for the terminal."""
    titles, *body = rows
    result = Table(title=title, title_justify="left", show_lines=True)
    for number, name in enumerate(titles):
        result.add_column(name, justify="right" if number else "left")
    for row in body:
        result.add_row(*row)
    return result
