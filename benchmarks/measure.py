"""Measures contenders: one at a time, in short turns, all in the same way."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from benchmarks import load
from benchmarks.contenders import Contender, Work
from benchmarks.figures import (
    FloorComparison,
    MemoryGrowth,
    Phase,
    Round,
    Turn,
    compare_to_floor,
    latencies,
)
from benchmarks.floor import LoopSpec, PausedLoop, measure_floor
from benchmarks.images import Item
from benchmarks.process import ContenderError, Launch, Running, free_port, watch_memory
from service.inference.manifest import Manifest
from service.inference.probability import calibrate, combine

CROWD: Final = 8
WARM_UP_S: Final = 1.0
REWARM_S: Final = 0.3
"""Load at the beginning of each turn, to refill the caches that others have used."""

TURNS: Final = 5
"""How often the bare loop and the service take turns with one client in each round: so seconds in
which the machine is slower affect both."""

IDLE_BEFORE_MEMORY_S: Final = 20.0
"""Idle time before memory growth is read: under load, memory depends on the requests in flight."""

MAX_REQUESTS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Bench:
    """What all contenders have in common.

    Attributes:
        work: What they serve.
        manifest: Manifest of that bundle.
        items: The radiographs that are sent.
        probabilities: The probability of each, from the bare loop.
        cores: Cores of the contenders.
        client_cores: Cores of the client.
        seconds: Duration of each phase of load.
        folder: Folder for temporary files.
    """

    work: Work
    manifest: Manifest
    items: Sequence[Item]
    probabilities: Sequence[float]
    cores: Sequence[int]
    client_cores: Sequence[int]
    seconds: float
    folder: Path


def time_to_first_answer(contender: Contender, bench: Bench) -> float:
    """Start and stop a contender; returns the seconds to its first answer.

    Raises:
        ContenderError: It cannot be installed or does not start.
    """
    with _start(contender, bench) as running:
        return running.time_to_first_answer(bench.items[0])


class PausedContender:
    """A contender that runs only in its turns; a context manager that ends it.

    Args:
        contender: The contender.
        bench: What all contenders have in common.

    Attributes:
        start_s: Seconds to its first answer.
        difference: See ``Figures``.

    Raises:
        ContenderError: It cannot be installed, does not start, or fails a request.
    """

    def __init__(self, contender: Contender, bench: Bench) -> None:
        self._bench = bench
        with ExitStack() as stack:
            self._running = stack.enter_context(_start(contender, bench))
            self.start_s = self._running.time_to_first_answer(bench.items[0])
            self.difference = _difference(contender, self._running, bench)
            _send(self._running, bench, bench.items, clients=CROWD, seconds=WARM_UP_S)
            self._running.suspend()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def turn(self) -> Turn:
        """Measure it with one client and with eight.

        Raises:
            ContenderError: It fails a request.
        """
        running, bench = self._running, self._bench
        running.resume()
        with watch_memory(running) as peak:
            _send(running, bench, bench.items, clients=CROWD, seconds=REWARM_S)
            alone = _phase(running, bench, clients=1)
            crowd = _phase(running, bench, clients=CROWD)
            final_mib = running.memory_mib()
        running.suspend()
        return Turn(alone, crowd, max(peak.mib, final_mib))


def measure_against_floor(
    contender: Contender, bench: Bench, spec: LoopSpec, rounds: int
) -> FloorComparison:
    """Let the bare loop and a contender take turns.

    Raises:
        ContenderError: It does not start, or fails a request.
    """
    with _start(contender, bench) as running, PausedLoop(spec, bench.cores) as loop:
        running.time_to_first_answer(bench.items[0])
        _send(running, bench, bench.items, clients=CROWD, seconds=WARM_UP_S)
        return compare_to_floor([_round(running, bench, spec, loop) for _ in range(rounds)])


def _round(running: Running, bench: Bench, spec: LoopSpec, loop: PausedLoop) -> Round:
    floor = measure_floor(spec, bench.cores).floor
    crowd = _phase(running, bench, clients=CROWD)
    loops: defaultdict[int, list[float]] = defaultdict(list)
    alone: list[float] = []
    for _ in range(TURNS):
        for threads, times in loop.turn(bench.seconds / TURNS).items():
            loops[threads] += times
        result = _send(running, bench, bench.items, clients=1, seconds=bench.seconds / TURNS)
        alone += result.milliseconds
    loop_ms = {threads: float(np.median(times)) for threads, times in loops.items()}
    return Round(floor, loop_ms, float(np.median(alone)), crowd)


def measure_memory_growth(
    contender: Contender, bench: Bench, items: Sequence[Item], *, few: int, many: int
) -> MemoryGrowth:
    """Memory of an idle contender after a few mixed requests, and after many.

    Raises:
        ContenderError: It does not start, or answers with an unexpected status.
    """
    with _start(contender, bench) as running:
        running.time_to_first_answer(bench.items[0])
        _send(running, bench, items, clients=CROWD, max_requests=few)
        few_mib = _idle_memory_mib(running)
        _send(running, bench, items, clients=CROWD, max_requests=many - few)
        return MemoryGrowth(few, few_mib, many, _idle_memory_mib(running))


def _idle_memory_mib(running: Running) -> float:
    time.sleep(IDLE_BEFORE_MEMORY_S)
    return running.memory_mib()


def _start(contender: Contender, bench: Bench) -> Running:
    port = free_port()
    command, variables = contender.start(bench.work, port)
    log = Path(tempfile.mkstemp(prefix="log-", dir=bench.folder)[1])
    return Running(Launch(command, variables, port, log), bench.cores)


def _difference(contender: Contender, running: Running, bench: Bench) -> float:
    """Largest difference of its calibrated probabilities from the bare loop."""
    probabilities = [
        _probability(contender, running.answer(item), bench.manifest) for item in bench.items
    ]
    return float(np.max(np.abs(np.subtract(probabilities, bench.probabilities))))


def _probability(contender: Contender, answer: dict[str, Any], manifest: Manifest) -> float:
    if contender.verdicts:
        return float(answer["probability"])
    combined = combine(np.array([answer["members"]]), manifest.combine)
    return float(calibrate(combined, manifest.calibration)[0])


def _phase(running: Running, bench: Bench, *, clients: int) -> Phase:
    cpu_before = running.cpu_seconds()
    result = _send(running, bench, bench.items, clients=clients, seconds=bench.seconds)
    cpu_seconds = running.cpu_seconds() - cpu_before
    answers = len(result.milliseconds)
    return Phase(
        latencies(result.milliseconds),
        answers / result.seconds,
        cpu_seconds / answers,
        result.cpu_seconds / answers,
    )


def _send(
    running: Running,
    bench: Bench,
    items: Sequence[Item],
    *,
    clients: int,
    seconds: float = 600.0,
    max_requests: int = MAX_REQUESTS,
) -> load.LoadResult:
    sent = [(item.path, "file", str(save_item(item, bench.folder))) for item in items]
    spec = load.LoadSpec(running.port, clients, seconds, max_requests, sent)
    result = load.run_load(spec, bench.client_cores)
    for item, statuses in zip(items, result.statuses, strict=True):
        unexpected = {status for status in statuses if status != str(item.status)}
        if unexpected:
            raise ContenderError(f"It answered {item.name} with {', '.join(sorted(unexpected))}.")
    return result


def save_item(item: Item, folder: Path) -> Path:
    """The item as a file, written once."""
    file = folder / item.name
    if not file.exists():
        file.write_bytes(item.data)
    return file
