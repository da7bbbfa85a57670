"""The floor: the same work in bare loops, without HTTP, in processes of their own.

``python -m benchmarks.floor CORES`` reads a ``Wish`` as JSON from standard input and prints what it
found as JSON; ``python -m benchmarks.floor CORES turns`` is the other end of ``StandingLoop``.
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

from benchmarks.cores import keep_to
from benchmarks.figures import Floor
from service.imaging import InputSpec, decode, prepare
from service.inference import Ensemble, EnsembleScore, PrecisionChoice, load_ensemble

LEAST_ROUNDS: Final = 20
START_TIMEOUT_S: Final = 120.0


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """What to run.

    Attributes:
        bundle: The models folder.
        precision: Of its graph.
        files: The radiographs.
        seconds: How long each loop runs.
        cores: How many cores an engine may use at most.
    """

    bundle: str
    precision: PrecisionChoice
    files: list[str]
    seconds: float
    cores: int


@dataclasses.dataclass(frozen=True, slots=True)
class Ground:
    """The floor, the precision that the bundle was served in, and each radiograph's probability."""

    floor: Floor
    precision: str
    probabilities: list[float]


def ground(wish: Wish, cores: Sequence[int]) -> Ground:
    """Run the bare loops in processes of their own, on these cores."""
    command = [sys.executable, "-m", "benchmarks.floor", ",".join(map(str, cores))]
    done = subprocess.run(
        command,
        input=json.dumps(dataclasses.asdict(wish)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return Ground(Floor(**found.pop("floor")), **found)


class StandingLoop:
    """The loop for one client, in a process that stands still but in its turns.

    A machine can be a third slower for some seconds, and what follows in another second is then no
    comparison. Turns may be as short as a few radiographs.

    Args:
        wish: What to run.
        cores: Where.
    """

    def __init__(self, wish: Wish, cores: Sequence[int]) -> None:
        command = [sys.executable, "-m", "benchmarks.floor", ",".join(map(str, cores)), "turns"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ask(dataclasses.asdict(wish))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # which closes its input, and so ends it
            pass

    def turn(self, seconds: float) -> dict[int, list[float]]:
        """Milliseconds of each radiograph, for each number of engine threads in turn.

        Args:
            seconds: How long, for each number of threads.
        """
        found: dict[str, list[float]] = self._ask(seconds)
        return {int(threads): taken for threads, taken in found.items()}

    def _ask(self, wish: object) -> Any:
        process = self._process
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        process.stdin.write(json.dumps(wish) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            with process:
                raise subprocess.CalledProcessError(process.wait(), process.args)
        return json.loads(answer)


def _take_turns() -> None:
    """Answer a ``StandingLoop`` until it closes its end."""
    wish = Wish(**json.loads(sys.stdin.readline()))
    radiographs = _radiographs(wish)
    ensembles = {threads: _ensemble(wish, threads) for threads in sorted({wish.cores, 1})}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        seconds = json.loads(line)
        taken = {threads: _times(it, radiographs, seconds) for threads, it in ensembles.items()}
        print(json.dumps(taken), flush=True)


def _run(wish: Wish) -> Ground:
    radiographs = _radiographs(wish)
    ensemble = _ensemble(wish, 1)
    lone_cpu_s = _cpu_seconds(ensemble, radiographs, wish.seconds)
    together = _on_every_core(wish)
    spec = ensemble.bundle.manifest.input
    scores = [_score(ensemble, spec, data) for data in radiographs]
    return Ground(
        Floor(
            lone_cpu_s=lone_cpu_s,
            cpu_s=float(np.mean(together)),
        ),
        precision=ensemble.precision,
        probabilities=[score.probability for score in scores],
    )


def _on_every_core(wish: Wish) -> list[float]:
    """Processor seconds of a radiograph in each of as many loops as cores, all at the same time.

    Cores share caches, memory and often their clock: what one radiograph takes while the others
    stand idle is not what it takes when all are at work, as they are with eight clients.
    """
    context = get_context("spawn")
    begin = context.Barrier(wish.cores)
    with ProcessPoolExecutor(
        wish.cores, mp_context=context, initializer=_agree_on, initargs=(begin,)
    ) as pool:
        return list(pool.map(partial(_one_of_many, wish), range(wish.cores)))


_begin: Barrier


def _agree_on(barrier: Barrier) -> None:
    global _begin  # noqa: PLW0603 - a barrier reaches a process of a pool only as it starts
    _begin = barrier


def _one_of_many(wish: Wish, _number: int) -> float:
    """Run a loop of one engine thread as soon as all others are ready too."""
    ensemble, radiographs = _ensemble(wish, 1), _radiographs(wish)
    _begin.wait(START_TIMEOUT_S)  # one that failed would keep the others waiting for ever
    return _cpu_seconds(ensemble, radiographs, wish.seconds)


def _radiographs(wish: Wish) -> list[bytes]:
    return [Path(file).read_bytes() for file in wish.files]


def _ensemble(wish: Wish, threads: int) -> Ensemble:
    return load_ensemble(
        Path(wish.bundle), threads=threads, engine="onnx", precision=wish.precision
    )


def _score(ensemble: Ensemble, spec: InputSpec, data: bytes) -> EnsembleScore:
    """What the service does for one radiograph, and nothing else."""
    radiograph = decode(data, near=max(spec.height, spec.width))
    [score] = ensemble.score(prepare(radiograph, spec)[None])
    return score


def _cpu_seconds(ensemble: Ensemble, radiographs: list[bytes], seconds: float) -> float:
    """Mean processor seconds of one radiograph."""
    begun = time.process_time()
    taken = _times(ensemble, radiographs, seconds)
    return (time.process_time() - begun) / len(taken)


def _times(ensemble: Ensemble, radiographs: list[bytes], seconds: float) -> list[float]:
    """Milliseconds of one radiograph after the other, for so long or for a few of them."""
    spec = ensemble.bundle.manifest.input
    taken: list[float] = []
    started = time.perf_counter()
    for data in itertools.cycle(radiographs):
        begun = time.perf_counter()
        if begun - started > seconds and len(taken) >= LEAST_ROUNDS:
            break
        _score(ensemble, spec, data)
        taken.append(1000 * (time.perf_counter() - begun))
    return taken


if __name__ == "__main__":
    keep_to(0, [int(core) for core in sys.argv[1].split(",") if core])
    if "turns" in sys.argv:
        _take_turns()
    else:
        print(json.dumps(dataclasses.asdict(_run(Wish(**json.load(sys.stdin))))))
