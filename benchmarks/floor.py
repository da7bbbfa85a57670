"""The floor: the same work in a bare loop, without HTTP, in a process of its own.

``python -m benchmarks.floor CORES`` reads a ``Wish`` as JSON from standard input and prints what it
found as JSON.
"""

import dataclasses
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.cores import keep_to
from benchmarks.figures import Floor
from service.imaging import InputSpec, decode, prepare
from service.inference import Ensemble, EnsembleScore, PrecisionChoice, load_ensemble

LEAST_ROUNDS: Final = 20


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
    """Run the bare loop in a process of its own, on these cores."""
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


def _run(wish: Wish) -> Ground:
    radiographs = [Path(file).read_bytes() for file in wish.files]
    medians: dict[int, float] = {}
    cpu_seconds = 0.0
    for threads in sorted({wish.cores, 1}, reverse=True):
        ensemble = _ensemble(wish, threads)
        medians[threads], cpu_seconds = _loop(ensemble, radiographs, wish.seconds)
    fastest = min(medians, key=lambda threads: medians[threads])
    spec = ensemble.bundle.manifest.input
    scores = [_score(ensemble, spec, data) for data in radiographs]
    return Ground(
        Floor(fastest, medians[fastest], cpu_seconds),
        precision=ensemble.precision,
        probabilities=[score.probability for score in scores],
    )


def _ensemble(wish: Wish, threads: int) -> Ensemble:
    return load_ensemble(
        Path(wish.bundle), threads=threads, engine="onnx", precision=wish.precision
    )


def _score(ensemble: Ensemble, spec: InputSpec, data: bytes) -> EnsembleScore:
    """What the service does for one radiograph, and nothing else."""
    radiograph = decode(data, near=max(spec.height, spec.width))
    [score] = ensemble.score(prepare(radiograph, spec)[None])
    return score


def _loop(ensemble: Ensemble, radiographs: list[bytes], seconds: float) -> tuple[float, float]:
    """Median milliseconds and mean processor seconds of one radiograph."""
    spec = ensemble.bundle.manifest.input
    taken: list[float] = []
    cpu, started = time.process_time(), time.perf_counter()
    for data in itertools.cycle(radiographs):
        begun = time.perf_counter()
        if begun - started > seconds and len(taken) >= LEAST_ROUNDS:
            break
        _score(ensemble, spec, data)
        taken.append(1000 * (time.perf_counter() - begun))
    return float(np.median(taken)), (time.process_time() - cpu) / len(taken)


if __name__ == "__main__":
    keep_to(0, [int(core) for core in sys.argv[1].split(",") if core])
    print(json.dumps(dataclasses.asdict(_run(Wish(**json.load(sys.stdin))))))
