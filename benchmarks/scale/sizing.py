"""What one core and two cores serve: ``make bench`` on each, of our service alone."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.contenders import ROOT, contenders
from benchmarks.figures import Figures, MemoryGrowth


@dataclass(frozen=True, slots=True)
class BenchFigures:
    """What ``python -m benchmarks --figures`` writes.

    Attributes:
        cores: Cores of each contender.
        setup: Lines that describe the measurement.
        measured: Figures by contender.
        growth: Memory of ours after a few and after many requests.
    """

    cores: int
    setup: list[str]
    measured: dict[str, Figures]
    growth: MemoryGrowth | None


@dataclass(frozen=True, slots=True)
class Size:
    """What our service does on some cores."""

    cores: int
    figures: Figures
    growth: MemoryGrowth


def measure_sizes(
    films: Path, bundle: Path, cores: Sequence[int], *, quick: bool = False
) -> list[Size]:
    """Run the benchmark on the first of these cores, then on the first two, and so on.

    The client has no other cores than the service: it is part of the machine.
    """
    sizes = []
    with tempfile.TemporaryDirectory(prefix="pneumonia-xray-sizing-") as folder:
        for count in range(1, len(cores) + 1):
            found = _bench(films, bundle, cores[:count], Path(folder) / f"{count}.json", quick)
            [figures] = found.measured.values()
            if found.growth is None:
                raise RuntimeError("The memory was not measured.")
            sizes.append(Size(found.cores, figures, found.growth))
    return sizes


def _bench(
    films: Path, bundle: Path, cores: Sequence[int], file: Path, quick: bool
) -> BenchFigures:
    ours = contenders(len(cores))[0].name
    command = [sys.executable, "-m", "benchmarks", "--only", ours, "--without", "floor"]
    options = ["--cores", str(len(cores)), "--images", str(films), "--bundle", str(bundle)]
    options += ["--figures", str(file), *(["--quick"] if quick else [])]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
    try:
        subprocess.run([*command, *options], cwd=ROOT, check=True)
    finally:
        os.sched_setaffinity(0, before)
    return TypeAdapter(BenchFigures).validate_json(file.read_bytes())
