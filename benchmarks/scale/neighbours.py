"""What one client notices of another that sends far too much, with a rate limit and without.

A client sends radiographs at a moderate pace by a key of its own: alone, while 32 clients of
another key send without a pause and never wait as ``Retry-After`` asks, and the same without a
limit.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.contenders import Contender, contenders
from benchmarks.figures import Latencies, latencies
from benchmarks.images import Item
from benchmarks.load import LoadResult, LoadSpec, run_load
from benchmarks.measure import Bench, save_item
from benchmarks.process import Launch, Running, free_port

LIMIT_PER_S: Final = 5
PACE_PER_S: Final = 4
FLOODING: Final = 32
MODERATE_KEY: Final = "moderate-0123456789"
FLOOD_KEY: Final = "flooding-0123456789"
WARM_UP_S: Final = 2.0
SOONER_S: Final = 1.0
"""The flood begins this long before the moderate client, and ends after it."""

MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Situation:
    """What the moderate client got, and the flooding ones.

    Attributes:
        latencies: Of the moderate client's answers.
        answers: How many of them were verdicts.
        refused: How many were anything else.
        flood_per_s: Answers to the flooding clients, per second, by status.
        cpu_share: Processor time of the service, as a share of one core.
    """

    latencies: Latencies
    answers: int
    refused: int
    flood_per_s: Mapping[str, float]
    cpu_share: float


@dataclass(frozen=True, slots=True)
class NeighbourFigures:
    """The moderate client alone, beside a flood with a limit, and without one."""

    limit_per_s: int
    pace_per_s: int
    flooding: int
    seconds: float
    alone: Situation
    limited: Situation
    unlimited: Situation


def measure_neighbours(bench: Bench, seconds: float) -> NeighbourFigures:
    """Measure the three situations, each with a service of its own.

    Args:
        bench: The service's work and cores, the radiographs, and the clients' cores.
        seconds: How long the moderate client sends in each.
    """
    ours = contenders(bench.work.cores)[0]
    return NeighbourFigures(
        limit_per_s=LIMIT_PER_S,
        pace_per_s=PACE_PER_S,
        flooding=FLOODING,
        seconds=seconds,
        alone=_situation(ours, bench, seconds, limited=True, flood=False),
        limited=_situation(ours, bench, seconds, limited=True, flood=True),
        unlimited=_situation(ours, bench, seconds, limited=False, flood=True),
    )


def _situation(
    ours: Contender, bench: Bench, seconds: float, *, limited: bool, flood: bool
) -> Situation:
    port = free_port()
    command, variables = ours.start(bench.work, port)
    variables = {**variables, "XRAY_API_KEYS": f"moderate:{MODERATE_KEY},flood:{FLOOD_KEY}"}
    if limited:
        variables["XRAY_RATE_LIMIT"] = str(LIMIT_PER_S)
    log = Path(tempfile.mkstemp(prefix="log-", dir=bench.folder)[1])
    with Running(Launch(command, variables, port, log), bench.cores) as running:
        running.time_to_first_answer(bench.items[0], MODERATE_KEY)
        send = _Sender(bench, port)
        send.moderate(WARM_UP_S)
        with ThreadPoolExecutor(1) as flooding:
            flood_s = seconds + 2 * SOONER_S
            other = flooding.submit(send.flood, flood_s) if flood else None
            time.sleep(SOONER_S)
            cpu_before, started = running.cpu_seconds(), time.perf_counter()
            moderate = send.moderate(seconds)
            share = (running.cpu_seconds() - cpu_before) / (time.perf_counter() - started)
            flooded = other.result() if other else None
    statuses = _statuses(moderate)
    return Situation(
        latencies=latencies(moderate.milliseconds),
        answers=statuses["200"],
        refused=statuses.total() - statuses["200"],
        flood_per_s={
            status: count / flooded.seconds for status, count in sorted(_statuses(flooded).items())
        }
        if flooded
        else {},
        cpu_share=share,
    )


class _Sender:
    """Sends the radiographs to one service, from processes of its own."""

    def __init__(self, bench: Bench, port: int) -> None:
        self._items = _saved(bench.items, bench.folder)
        self._cores = bench.client_cores
        self._port = port

    def moderate(self, seconds: float) -> LoadResult:
        pace_s = 1 / PACE_PER_S
        spec = LoadSpec(self._port, 1, seconds, MOST, self._items, MODERATE_KEY, pace_s)
        return run_load(spec, self._cores)

    def flood(self, seconds: float) -> LoadResult:
        # It gives way to the other on the clients' cores: what that notices is the service's.
        spec = LoadSpec(self._port, FLOODING, seconds, MOST, self._items, FLOOD_KEY, nice=19)
        return run_load(spec, self._cores)


def _saved(items: Sequence[Item], folder: Path) -> list[tuple[str, str, str]]:
    return [(item.path, "file", str(save_item(item, folder))) for item in items]


def _statuses(result: LoadResult) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in result.statuses:
        total.update(counts)
    return total
