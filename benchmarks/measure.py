"""The course of the measurement: one contender at a time, always in the same way."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import load
from benchmarks.contenders import Contender, Work
from benchmarks.figures import Beside, Figures, Growth, Phase, Round, beside, latencies
from benchmarks.floor import Wish, ground
from benchmarks.images import Item
from benchmarks.process import ContenderError, Launch, Running, free_port, watched
from service.inference.ensemble import calibrate, combine
from service.inference.manifest import Manifest

CROWD: Final = 8
WARM_UP_S: Final = 1.0
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


def measure(contender: Contender, bench: Bench) -> Figures:
    """Start a contender, load it with one client and with eight, and stop it.

    Raises:
        ContenderError: It cannot be had, does not start, or fails a request.
    """
    with _start(contender, bench) as running, watched(running) as peak:
        first_answer_s = running.first_answer(bench.items[0])
        difference = _difference(contender, running, bench)
        _send(running, bench, bench.items, clients=CROWD, seconds=WARM_UP_S)
        alone = _phase(running, bench, clients=1)
        crowd = _phase(running, bench, clients=CROWD)
        now_mib = running.memory_mib()
    return Figures(first_answer_s, alone, crowd, max(peak.mib, now_mib), difference)


def beside_floor(contender: Contender, bench: Bench, wish: Wish, rounds: int) -> Beside:
    """Let the bare loop and a contender take turns.

    Raises:
        ContenderError: It does not start, or fails a request.
    """
    with _start(contender, bench) as running:
        running.first_answer(bench.items[0])
        _send(running, bench, bench.items, clients=CROWD, seconds=WARM_UP_S)
        return beside(
            [
                Round(
                    ground(wish, bench.cores).floor,
                    _phase(running, bench, clients=1),
                    _phase(running, bench, clients=CROWD),
                )
                for _ in range(rounds)
            ]
        )


def growth(
    contender: Contender, bench: Bench, items: Sequence[Item], *, few: int, many: int
) -> Growth:
    """Memory of a contender after a few mixed requests and after many.

    Raises:
        ContenderError: It does not start, or answers something with another status than it should.
    """
    with _start(contender, bench) as running:
        running.first_answer(bench.items[0])
        _send(running, bench, items, clients=CROWD, most=few)
        few_mib = running.memory_mib()
        _send(running, bench, items, clients=CROWD, most=many - few)
        return Growth(few, few_mib, many, running.memory_mib())


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
