"""The floor: the same work in bare loops without HTTP, in separate processes.

``python -m benchmarks.floor CORES`` reads a ``LoopSpec`` as JSON from standard input and prints a
``FloorResult`` as JSON. ``python -m benchmarks.floor CORES turns`` is run by ``PausedLoop``.
"""

import dataclasses
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from benchmarks.affinity import pin_to_cores
from benchmarks.figures import Floor
from service.inference import PrecisionChoice, load_ensemble
from service.screening.screen import Screening

MIN_ITERATIONS: Final = 20
START_TIMEOUT_S: Final = 120.0
MAX_PIXELS: Final = 100_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class LoopSpec:
    """What to run.

    Attributes:
        bundle: The models folder.
        precision: Of its graphs.
        files: The radiographs.
        seconds: Duration of each loop.
        cores: Maximum number of engine threads.
    """

    bundle: str
    precision: PrecisionChoice
    files: list[str]
    seconds: float
    cores: int


@dataclasses.dataclass(frozen=True, slots=True)
class FloorResult:
    """The floor, the precision that was used, and the probability of each radiograph."""

    floor: Floor
    precision: str
    probabilities: list[float]


def measure_floor(spec: LoopSpec, cores: Sequence[int]) -> FloorResult:
    """Run the bare loops in separate processes on these cores."""
    command = [sys.executable, "-m", "benchmarks.floor", ",".join(map(str, cores))]
    done = subprocess.run(
        command,
        input=json.dumps(dataclasses.asdict(spec)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return FloorResult(Floor(**result.pop("floor")), **result)


class PausedLoop:
    """A loop in a separate process that runs only in its turns.

    A machine may be a third slower for some seconds, which makes figures from different seconds
    incomparable. A turn may be as short as a few radiographs.

    Args:
        spec: What to run.
        cores: Where to run it.
    """

    def __init__(self, spec: LoopSpec, cores: Sequence[int]) -> None:
        command = [sys.executable, "-m", "benchmarks.floor", ",".join(map(str, cores)), "turns"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ask(dataclasses.asdict(spec))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # closes its input, which ends it
            pass

    def turn(self, seconds: float) -> dict[int, list[float]]:
        """Milliseconds of each radiograph, by number of engine threads.

        Args:
            seconds: Duration for each number of threads.
        """
        result: dict[str, list[float]] = self._ask(seconds)
        return {int(threads): times for threads, times in result.items()}

    def _ask(self, question: object) -> Any:
        process = self._process
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            with process:
                raise subprocess.CalledProcessError(process.wait(), process.args)
        return json.loads(answer)


def _serve_turns() -> None:
    """Answer a ``PausedLoop`` until it closes the pipe."""
    spec = LoopSpec(**json.loads(sys.stdin.readline()))
    radiographs = _radiographs(spec)
    screenings = {threads: _screening(spec, threads) for threads in sorted({spec.cores, 1})}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        seconds = json.loads(line)
        times = {threads: _times(it, radiographs, seconds) for threads, it in screenings.items()}
        print(json.dumps(times), flush=True)


def _run(spec: LoopSpec) -> FloorResult:
    radiographs = _radiographs(spec)
    screening = _screening(spec, 1)
    return FloorResult(
        Floor(
            solo_cpu_s=_cpu_seconds(screening, radiographs, spec.seconds),
            cpu_s=float(np.mean(cpu_seconds_on_every_core(spec))),
        ),
        precision=screening.ensemble.precision,
        probabilities=[screening.screen(data).probability for data in radiographs],
    )


def cpu_seconds_on_every_core(spec: LoopSpec) -> list[float]:
    """CPU seconds per radiograph in each of as many concurrent loops as there are cores.

    Cores share caches, memory and often their clock: a radiograph takes longer when all cores are
    busy, as they are with eight clients.
    """
    context = get_context("spawn")
    barrier = context.Barrier(spec.cores)
    with ProcessPoolExecutor(
        spec.cores, mp_context=context, initializer=_set_barrier, initargs=(barrier,)
    ) as pool:
        return list(pool.map(partial(_concurrent_loop, spec), range(spec.cores)))


_barrier: Barrier


def _set_barrier(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 - a barrier can only be passed to a process as it starts
    _barrier = barrier


def _concurrent_loop(spec: LoopSpec, _number: int) -> float:
    """Run a loop of one engine thread as soon as all others are ready."""
    screening, radiographs = _screening(spec, 1), _radiographs(spec)
    _barrier.wait(START_TIMEOUT_S)  # without a timeout, a failed process would block the others
    return _cpu_seconds(screening, radiographs, spec.seconds)


def _radiographs(spec: LoopSpec) -> list[bytes]:
    return [Path(file).read_bytes() for file in spec.files]


def _screening(spec: LoopSpec, threads: int) -> Screening:
    ensemble = load_ensemble(
        Path(spec.bundle), threads=threads, engine="onnx", precision=spec.precision
    )
    return Screening(ensemble, max_pixels=MAX_PIXELS)


def _cpu_seconds(screening: Screening, radiographs: list[bytes], seconds: float) -> float:
    """Mean CPU seconds per radiograph."""
    start = time.process_time()
    count = len(_times(screening, radiographs, seconds))
    return (time.process_time() - start) / count


def _times(screening: Screening, radiographs: list[bytes], seconds: float) -> list[float]:
    """Milliseconds of each radiograph, for some seconds and at least ``MIN_ITERATIONS``."""
    times: list[float] = []
    loop_start = time.perf_counter()
    for data in itertools.cycle(radiographs):
        start = time.perf_counter()
        if start - loop_start > seconds and len(times) >= MIN_ITERATIONS:
            break
        screening.screen(data)
        times.append(1000 * (time.perf_counter() - start))
    return times


if __name__ == "__main__":
    pin_to_cores(0, [int(core) for core in sys.argv[1].split(",") if core])
    if "turns" in sys.argv:
        _serve_turns()
    else:
        print(json.dumps(dataclasses.asdict(_run(LoopSpec(**json.load(sys.stdin))))))
