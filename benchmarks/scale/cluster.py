"""One node of one core, two of them, and the command line on one core, on the same archive.

The nodes are a real Ray cluster on this machine (``ray.cluster_utils``), each pinned to a core of
its own with all its processes. The first node holds the head and the driver too, as in a cluster
whose head works: what Ray costs is in every figure.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import numpy as np
import psutil

from benchmarks.contenders import ROOT
from benchmarks.process import MIB, combined_memory_mib
from benchmarks.scale.archive import make_archive
from service.cli.batch.sharding import films_per_shard

OBJECT_STORE_BYTES: Final = 80 * MIB
"""Ray's least, about: only paths travel through it."""

MEMORY_FILMS: Final = 300
MEMORY_INTERVAL_S: Final = 1.0
WORKER_PREFIX: Final = "ray::"


@dataclass(frozen=True, slots=True)
class Timed:
    """One run of a command over the whole archive.

    Attributes:
        seconds: From the start of the command to its end.
        first_s: Until the first part of its result was written; 0 where that is not seen.
    """

    seconds: float
    first_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """What was measured; rates and times are medians over the rounds.

    Attributes:
        films: Films of the archive.
        film_bytes: Their mean size.
        row_bytes: What a film's row takes in the result.
        rounds: How often each was timed.
        cli_per_s: Films per second of ``pneumonia-xray predict`` on one core, from start to end.
        one_per_s: The same of ``batch`` on one node.
        two_per_s: The same on two nodes.
        start_s: From the start of the command until the first film is screened, one node.
        one_steady_per_s: Films per second from then on, one node.
        two_steady_per_s: The same, two nodes.
        repeat_per_s: Films per second of the same command again, when nothing is new; one node.
        worker_mib: Memory of a process with the model.
        node_mib: Of what Ray runs on each node.
        head_mib: Of what runs on the head's node beside that: head and driver.
    """

    films: int
    film_bytes: float
    row_bytes: float
    rounds: int
    cli_per_s: float
    one_per_s: float
    two_per_s: float
    start_s: float
    one_steady_per_s: float
    two_steady_per_s: float
    repeat_per_s: float
    worker_mib: float
    node_mib: float
    head_mib: float


def measure_cluster(
    films: Path, bundle: Path, *, count: int, rounds: int, cores: tuple[int, int]
) -> ClusterFigures:
    """Measure command line, one node and two nodes in turn.

    Args:
        films: Radiographs, which are copied.
        bundle: The models folder.
        count: Films of the archive.
        rounds: How often each is timed.
        cores: The cores of the nodes.
    """
    with tempfile.TemporaryDirectory(prefix="pneumonia-xray-scale-") as name:
        folder = Path(name)
        film_bytes = make_archive(films, folder / "archive", count)
        bench = _Bench(folder, bundle, count)
        bench.read_archive()
        cli, one, two, repeat = [], [], [], []
        for number in range(rounds):
            print(f"round {number + 1} of {rounds} ...", flush=True)
            cli.append(bench.predict(cores[0]))
            with _cluster(cores[:1]) as address:
                one.append(bench.batch(address, cores[0], f"one-{number}"))
                repeat.append(bench.batch(address, cores[0], f"one-{number}"))
            with _cluster(cores) as address:
                two.append(bench.batch(address, cores[0], f"two-{number}"))
        row_bytes = bench.row_bytes("one-0")
        print("memory ...", flush=True)
        memory = bench.memory(cores)
    one_s, two_s = _median([each.seconds for each in one]), _median([each.seconds for each in two])
    start_s = bench.start_s(one)
    return ClusterFigures(
        films=count,
        film_bytes=film_bytes,
        row_bytes=row_bytes,
        rounds=rounds,
        cli_per_s=count / _median([each.seconds for each in cli]),
        one_per_s=count / one_s,
        two_per_s=count / two_s,
        start_s=start_s,
        one_steady_per_s=count / (one_s - start_s),
        two_steady_per_s=count / (two_s - start_s),
        repeat_per_s=count / _median([each.seconds for each in repeat]),
        **memory,
    )


class _Bench:
    """Commands over one archive, each pinned to a core."""

    def __init__(self, folder: Path, bundle: Path, count: int) -> None:
        self._folder = folder
        self._archive = folder / "archive"
        self._bundle = bundle
        self._count = count

    def read_archive(self) -> None:
        """Read it once, so that all find it in memory: what is measured is the processor."""
        for path in self._archive.rglob("*"):
            if path.is_file():
                path.read_bytes()

    def predict(self, core: int) -> Timed:
        table = self._folder / "predict.csv"
        table.unlink(missing_ok=True)
        seconds = self._run(core, ["predict", str(self._archive), "--csv", str(table)])
        return Timed(seconds)

    def batch(self, address: str, core: int, out: str, source: Path | None = None) -> Timed:
        folder = self._folder / out
        again = folder.exists()
        started = time.time()
        command = ["batch", str(source or self._archive), "--out", str(folder), "--ray", address]
        seconds = self._run(core, command)
        written = sorted(path.stat().st_mtime for path in folder.glob("part-*.parquet"))
        rows = _rows(folder)
        if not again and source is None and rows != self._count:
            raise RuntimeError(f"{rows} rows of {self._count} films.")
        return Timed(seconds, written[0] - started)

    def start_s(self, runs: Sequence[Timed]) -> float:
        """Seconds until the first film: until the first part, without the time for its films."""
        rest = min(self._count - 1, films_per_shard(self._count))
        per_film = [(run.seconds - run.first_s) / (self._count - rest) for run in runs]
        firsts = [run.first_s - rest * each for run, each in zip(runs, per_film, strict=True)]
        return max(0.0, _median(firsts))

    def row_bytes(self, out: str) -> float:
        """Bytes of the result for each film."""
        parts = (self._folder / out).glob("part-*.parquet")
        return sum(path.stat().st_size for path in parts) / self._count

    def memory(self, cores: tuple[int, int]) -> dict[str, float]:
        """Memory of two nodes at work, in a run of its own: reading it takes time."""
        some = self._folder / "some"
        some.mkdir()
        for path in sorted(self._archive.rglob("*.*"))[:MEMORY_FILMS]:
            (some / path.name).symlink_to(path)
        with _cluster(cores) as address, _watch_nodes(cores) as peaks:
            self.batch(address, cores[0], "memory", some)
        head, node = (peaks[core] for core in cores)
        return {
            "worker_mib": node.worker_mib,
            "node_mib": node.all_mib - node.worker_mib,
            "head_mib": head.all_mib - node.all_mib,
        }

    def _run(self, core: int, arguments: Sequence[str]) -> float:
        command = [sys.executable, "-m", "service.cli", *arguments]
        options = ["--models", str(self._bundle), "--quiet"]
        before = os.sched_getaffinity(0)
        started = time.perf_counter()
        os.sched_setaffinity(0, {core})
        try:
            subprocess.run(
                [*command, *options],
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                check=True,
            )
        finally:
            os.sched_setaffinity(0, before)
        return time.perf_counter() - started


@contextmanager
def _cluster(cores: Sequence[int]) -> Iterator[str]:
    """A cluster of a node for each core, with the head on the first; its address."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 (needs the extra `ray`)

    os.environ |= {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    node = {"num_cpus": 1, "object_store_memory": OBJECT_STORE_BYTES}
    before = os.sched_getaffinity(0)
    cluster: Any = None
    try:
        os.sched_setaffinity(0, {cores[0]})  # inherited by all that a node starts
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        for core in cores[1:]:
            os.sched_setaffinity(0, {core})
            cluster.add_node(**node)
        os.sched_setaffinity(0, before)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        os.sched_setaffinity(0, before)
        if cluster is not None:
            cluster.shutdown()


@dataclass(slots=True)
class _Peak:
    """Most memory of a node, in MiB: of everything, and of the process that screens."""

    all_mib: float = 0.0
    worker_mib: float = 0.0


@contextmanager
def _watch_nodes(cores: Sequence[int]) -> Iterator[dict[int, _Peak]]:
    """Sample the memory of all processes below this one, by the core that they are pinned to."""
    peaks = {core: _Peak() for core in cores}
    stop = Event()

    def watch() -> None:
        while not stop.wait(MEMORY_INTERVAL_S):
            for core, peak in peaks.items():
                everything, worker = _node_memory(core)
                peak.worker_mib = max(peak.worker_mib, worker)
                peak.all_mib = max(peak.all_mib, everything)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        stop.set()
        watcher.join()


def _node_memory(core: int) -> tuple[float, float]:
    sizes, workers = [], [0.0]
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cpu_affinity() != [core]:
                continue
            memory = process.memory_full_info()
            name = " ".join(process.cmdline())
        except psutil.Error:
            continue
        sizes.append((memory.rss, memory.uss))
        if name.startswith(WORKER_PREFIX):
            workers.append(memory.uss / MIB)
    return combined_memory_mib(sizes), max(workers)


def _rows(folder: Path) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415 (needs the extra `ray`)

    return sum(pq.read_metadata(path).num_rows for path in folder.glob("part-*.parquet"))


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))
