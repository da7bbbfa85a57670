"""The programs that are measured, and how each is started."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.environments import environment
from service.inference import PrecisionChoice

ROOT = Path(__file__).parent.parent
PEERS = Path(__file__).parent / "peers"

ALLOCATOR: Final = {"MALLOC_MMAP_THRESHOLD_": "4194304", "MALLOC_TRIM_THRESHOLD_": "4194304"}
"""As the image, ``make serve`` and the systemd unit start the service."""

LaunchSpec = tuple[list[str], Mapping[str, str]]
"""A command and its additional environment variables."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every contender serves.

    Attributes:
        bundle: The models folder.
        precision: Asked of its compiled graphs: ``auto``, ``fp32`` or ``int8``.
        graph: Precision in which the bare loop's graph then answered.
        cores: Number of cores of a contender.
    """

    bundle: Path
    precision: PrecisionChoice
    graph: str
    cores: int

    def for_peer(self, *, port: int, workers: int, threads: int) -> dict[str, str]:
        """Environment variables that configure a peer."""
        return {
            "PYTHONPATH": str(ROOT),
            "BENCH_BUNDLE": str(self.bundle),
            "BENCH_PRECISION": self.precision,
            "ORT_DISABLE_TELEMETRY": "1",
            "BENCH_PORT": str(port),
            "BENCH_WORKERS": str(workers),
            "BENCH_THREADS": str(threads),
            "BENTOML_DO_NOT_TRACK": "true",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the table.

    Attributes:
        name: Name in the table.
        start: Returns the command for some work and a port. May install packages first; raises
            ContenderError if that fails.
        verdicts: Whether it returns the service's probability; the old script returns the networks'
            scores as "members", neither combined nor calibrated.
        quick: Whether a quick run includes it.
    """

    name: str
    start: Callable[[Work, int], LaunchSpec]
    verdicts: bool = False
    quick: bool = True


def contenders(cores: int) -> list[Contender]:
    """All contenders, ours first. Peers run once with several workers and once with threads."""
    return [
        Contender("ours, lean", _ours("onnx"), verdicts=True),
        Contender("ours, TensorFlow", _ours("tensorflow"), verdicts=True),
        Contender("old script", _old_script),
        *_shapes("LitServe", _litserve, cores),
        *_shapes("BentoML", _bentoml, cores),
    ]


def _shapes(name: str, program: Callable[..., LaunchSpec], cores: int) -> list[Contender]:
    many_workers = partial(program, workers=cores, threads=1)
    many_threads = partial(program, workers=1, threads=cores)
    return [
        Contender(f"{name}, {cores} workers", many_workers, verdicts=True),
        Contender(f"{name}, {cores} threads", many_threads, verdicts=True, quick=False),
    ]


def _ours(engine: str) -> Callable[[Work, int], LaunchSpec]:
    def start(work: Work, port: int) -> LaunchSpec:
        return [sys.executable, "-m", "service"], {
            **ALLOCATOR,
            "PYTHONPATH": str(ROOT),
            "XRAY_ENGINE": engine,
            "XRAY_PRECISION": work.precision if engine == "onnx" else "auto",
            "XRAY_MODELS_DIR": str(work.bundle),
            "XRAY_PORT": str(port),
            "XRAY_LOG_LEVEL": "warning",
        }

    return start


def _old_script(work: Work, port: int) -> LaunchSpec:
    python = environment("old_script", with_ours=True)
    variables = work.for_peer(port=port, workers=1, threads=work.cores)
    return [str(python), str(PEERS / "old_script.py")], variables


def _litserve(work: Work, port: int, workers: int, threads: int) -> LaunchSpec:
    python = environment("litserve")
    variables = work.for_peer(port=port, workers=workers, threads=threads)
    return [str(python), str(PEERS / "litserve_app.py")], variables


def _bentoml(work: Work, port: int, workers: int, threads: int) -> LaunchSpec:
    python = environment("bentoml")
    variables = work.for_peer(port=port, workers=workers, threads=threads)
    variables["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(python), "-m", "bentoml", "serve", "bentoml_app:Xray", "--host", "127.0.0.1"]
    return [*command, "--port", str(port), "--working-dir", str(PEERS)], variables
