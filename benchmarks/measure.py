"""The course of the measurement: one contender at a time, in short turns, all in the same way."""

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
from benchmarks.figures import Beside, Growth, Phase, Round, Turn, beside, latencies
from benchmarks.floor import StandingLoop, Wish, ground
from benchmarks.images import Item
from benchmarks.process import ContenderError, Launch, Running, free_port, watched
from service.inference.manifest import Manifest
from service.inference.probability import calibrate, combine

CROWD: Final = 8
WARM_UP_S: Final = 1.0
AWAKE_AFTER_S: Final = 0.3
"""How long a contender is loaded at the beginning of a turn: others had the caches."""

TURNS: Final = 5
"""How often the bare loop and the service take turns with one client in each round: a machine may
be slower for a few seconds, which then fall on both."""

AT_REST_AFTER_S: Final = 20.0
"""How long a contender has nothing to do before its memory over time is read: in the middle of its
work it depends on what it has in hand just then."""

MOST_REQUESTS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Bench:
    """What all contenders have in common.

    Attributes:
        work: What they serve.
        manifest: Of that bundle.
        items: The radiographs that they are sent.
        probabilities: What the bare loop says of each of them.
        cores: Where contenders run.
        client_cores: Where the client runs.
        seconds: How long each phase of load takes.
        folder: For files in passing.
    """

    work: Work
    manifest: Manifest
    items: Sequence[Item]
    probabilities: Sequence[float]
    cores: Sequence[int]
    client_cores: Sequence[int]
    seconds: float
    folder: Path


def first_answer(contender: Contender, bench: Bench) -> float:
    """Start a contender and stop it again; seconds to its first answer.

    Raises:
        ContenderError: It cannot be had or does not start.
    """
    with _start(contender, bench) as running:
        return running.first_answer(bench.items[0])


class Standing:
    """A contender that stands still but in its turns, until the end of a ``with`` block.

    Args:
        contender: Which it is.
        bench: What it has in common with the others.

    Attributes:
        start_s: Seconds to its first answer.
        difference: See ``Figures``.

    Raises:
        ContenderError: It cannot be had, does not start, or fails a request.
    """

    def __init__(self, contender: Contender, bench: Bench) -> None:
        self._bench = bench
        with ExitStack() as stack:
            self._running = stack.enter_context(_start(contender, bench))
            self.start_s = self._running.first_answer(bench.items[0])
            self.difference = _difference(contender, self._running, bench)
            _send(self._running, bench, bench.items, clients=CROWD, seconds=WARM_UP_S)
            self._running.pause()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def turn(self) -> Turn:
        """Load it with one client and with eight.

        Raises:
            ContenderError: It fails a request.
        """
        running, bench = self._running, self._bench
        running.go_on()
        with watched(running) as peak:
            _send(running, bench, bench.items, clients=CROWD, seconds=AWAKE_AFTER_S)
            alone = _phase(running, bench, clients=1)
            crowd = _phase(running, bench, clients=CROWD)
            now_mib = running.memory_mib()
        running.pause()
        return Turn(alone, crowd, max(peak.mib, now_mib))


def beside_floor(contender: Contender, bench: Bench, wish: Wish, rounds: int) -> Beside:
    """Let the bare loop and a contender take turns.

    Raises:
        ContenderError: It does not start, or fails a request.
    """
    with _start(contender, bench) as running, StandingLoop(wish, bench.cores) as loop:
        running.first_answer(bench.items[0])
        _send(running, bench, bench.items, clients=CROWD, seconds=WARM_UP_S)
        return beside([_round(running, bench, wish, loop) for _ in range(rounds)])


def _round(running: Running, bench: Bench, wish: Wish, loop: StandingLoop) -> Round:
    floor = ground(wish, bench.cores).floor
    crowd = _phase(running, bench, clients=CROWD)
    loops: defaultdict[int, list[float]] = defaultdict(list)
    alone: list[float] = []
    for _ in range(TURNS):
        for threads, taken in loop.turn(bench.seconds / TURNS).items():
            loops[threads] += taken
        seen = _send(running, bench, bench.items, clients=1, seconds=bench.seconds / TURNS)
        alone += seen.milliseconds
    loop_ms = {threads: float(np.median(taken)) for threads, taken in loops.items()}
    return Round(floor, loop_ms, float(np.median(alone)), crowd)


def growth(
    contender: Contender, bench: Bench, items: Sequence[Item], *, few: int, many: int
) -> Growth:
    """Memory of a contender at rest after a few mixed requests, and after many.

    Raises:
        ContenderError: It does not start, or answers something with another status than it should.
    """
    with _start(contender, bench) as running:
        running.first_answer(bench.items[0])
        _send(running, bench, items, clients=CROWD, most=few)
        few_mib = _at_rest_mib(running)
        _send(running, bench, items, clients=CROWD, most=many - few)
        return Growth(few, few_mib, many, _at_rest_mib(running))


def _at_rest_mib(running: Running) -> float:
    time.sleep(AT_REST_AFTER_S)
    return running.memory_mib()


def _start(contender: Contender, bench: Bench) -> Running:
    port = free_port()
    command, variables = contender.start(bench.work, port)
    log = Path(tempfile.mkstemp(prefix="log-", dir=bench.folder)[1])
    return Running(Launch(command, variables, port, log), bench.cores)


def _difference(contender: Contender, running: Running, bench: Bench) -> float:
    """Largest distance of its answers from the bare loop's, on the scale of verdicts."""
    said = [_probability(contender, running.answer(item), bench.manifest) for item in bench.items]
    return float(np.max(np.abs(np.subtract(said, bench.probabilities))))


def _probability(contender: Contender, answer: dict[str, Any], manifest: Manifest) -> float:
    if contender.verdicts:
        return float(answer["probability"])
    combined = combine(np.array([answer["members"]]), manifest.combine)
    return float(calibrate(combined, manifest.calibration)[0])


def _phase(running: Running, bench: Bench, *, clients: int) -> Phase:
    before = running.cpu_seconds()
    seen = _send(running, bench, bench.items, clients=clients, seconds=bench.seconds)
    cpu_seconds = running.cpu_seconds() - before
    answers = len(seen.milliseconds)
    return Phase(
        latencies(seen.milliseconds),
        answers / seen.seconds,
        cpu_seconds / answers,
        seen.cpu_seconds / answers,
    )


def _send(
    running: Running,
    bench: Bench,
    items: Sequence[Item],
    *,
    clients: int,
    seconds: float = 600.0,
    most: int = MOST_REQUESTS,
) -> load.Observed:
    sent = [(item.path, "file", str(saved(item, bench.folder))) for item in items]
    order = load.Order(running.port, clients, seconds, most, sent)
    seen = load.order(order, bench.client_cores)
    for item, statuses in zip(items, seen.statuses, strict=True):
        wrong = {status for status in statuses if status != str(item.status)}
        if wrong:
            raise ContenderError(f"It answered {item.name} with {', '.join(sorted(wrong))}.")
    return seen


def saved(item: Item, folder: Path) -> Path:
    """The item as a file, written once."""
    file = folder / item.name
    if not file.exists():
        file.write_bytes(item.data)
    return file
