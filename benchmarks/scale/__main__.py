"""``python -m benchmarks.scale``: measure, and write results and documents.

Without a name all of it: ``cluster`` (about 6 minutes), ``neighbours`` (2), ``sizing`` (8).
``pages`` alone writes the documents from the results that are there.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil
from pydantic import TypeAdapter

from benchmarks.__main__ import ORIGINALS
from benchmarks.affinity import split_cores
from benchmarks.contenders import ROOT, Work
from benchmarks.images import radiographs
from benchmarks.measure import Bench
from benchmarks.scale.cluster import ClusterFigures, measure_cluster
from benchmarks.scale.neighbours import NeighbourFigures, measure_neighbours
from benchmarks.scale.pages import write_pages
from benchmarks.scale.sizing import Size, measure_sizes
from benchmarks.scale.store import Measured, now, save
from service.inference.manifest import MANIFEST_FILE, Manifest

MEASUREMENTS: Final = ("cluster", "neighbours", "sizing")
MAX_BUSY_PERCENT: Final = 10
PHASE_S: Final = 1.5
"""Duration of a phase of load; the measurements here have their own."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurements that are named."""
    options = _parser().parse_args(arguments)
    names = options.names or MEASUREMENTS
    cores, other_cores = split_cores(1)
    if not cores or cores == other_cores:
        sys.exit("This needs two cores, and Linux.")
    if names != ["pages"] and not options.quick:
        _refuse_busy_machine(options.busy)
    manifest = Manifest.from_json((options.bundle / MANIFEST_FILE).read_bytes())
    bundle = f"bundle {manifest.name} {manifest.version}"
    for name in names:
        if name == "cluster":
            _keep(
                options, name, ClusterFigures, _cluster(options, bundle, cores[0], other_cores[0])
            )
        elif name == "neighbours":
            found = _neighbours(options, manifest, bundle, cores, other_cores[:1])
            _keep(options, name, NeighbourFigures, found)
        elif name == "sizing":
            _keep(options, name, list[Size], _sizing(options, bundle, [cores[0], other_cores[0]]))
    if not options.quick:
        write_pages()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", choices=[[], *MEASUREMENTS, "pages"], metavar="NAME")
    add("--quick", action="store_true", help="try it: small, and nothing is written")
    add("--busy", action="store_true", help="measure although other programs are at work")
    add("--images", type=Path, default=ORIGINALS, metavar="DIR", help="real radiographs")
    add("--bundle", type=Path, default=ROOT / "models", help="models folder")
    add("--films", type=int, default=2000, help="films of the cluster's archive (2000)")
    add("--rounds", type=int, default=2, help="how often the cluster is timed (2)")
    add("--seconds", type=float, default=30, help="of each situation with neighbours (30)")
    return parser


def _refuse_busy_machine(anyway: bool) -> None:
    busy = psutil.cpu_percent(interval=5)
    if busy > MAX_BUSY_PERCENT and not anyway:
        sys.exit(f"Other programs take {busy:.0f} % of the processor: figures would be theirs.")


def _cluster(
    options: argparse.Namespace, bundle: str, core: int, other: int
) -> Measured[ClusterFigures]:
    count, rounds = (70, 1) if options.quick else (options.films, options.rounds)
    figures = measure_cluster(
        options.images, options.bundle.resolve(), count=count, rounds=rounds, cores=(core, other)
    )
    size = f"{count} films of {figures.film_bytes / 1000:.0f} kB each (mean), read before"
    return now([bundle, size, f"medians of {rounds} rounds, all in turn"], figures)


def _neighbours(
    options: argparse.Namespace,
    manifest: Manifest,
    bundle: str,
    cores: Sequence[int],
    client_cores: Sequence[int],
) -> Measured[NeighbourFigures]:
    seconds = 3 if options.quick else options.seconds
    items = radiographs(options.images)
    work = Work(options.bundle.resolve(), "auto", "auto", len(cores))
    with tempfile.TemporaryDirectory(prefix="pneumonia-xray-neighbours-") as folder:
        bench = Bench(work, manifest, items, [], cores, client_cores, PHASE_S, Path(folder))
        figures = measure_neighbours(bench, seconds)
    size = sorted(len(item.data) for item in items)[len(items) // 2] / 1000
    setup = [
        bundle,
        f"service on one core, its clients on another; films of {size:.0f} kB (median)",
    ]
    return now([*setup, f"{seconds:.0f} s in each situation"], figures)


def _sizing(options: argparse.Namespace, bundle: str, cores: Sequence[int]) -> Measured[list[Size]]:
    sizes = measure_sizes(options.images, options.bundle.resolve(), cores, quick=options.quick)
    return now([bundle, "clients on the same cores"], sizes)


def _keep(options: argparse.Namespace, name: str, kind: type, measured: Measured) -> None:  # type: ignore[type-arg]
    print(TypeAdapter(kind).dump_json(measured.figures, indent=2).decode())
    if not options.quick:
        print(f"Written to {save(name, measured, kind)}")


if __name__ == "__main__":
    main()
