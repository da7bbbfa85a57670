"""``python -m benchmarks``: measure all contenders in turn and print tables."""

import argparse
import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import report
from benchmarks.contenders import ROOT, Contender, Work, contenders
from benchmarks.cores import shared_out
from benchmarks.figures import Beside, Figures, Growth, typical
from benchmarks.floor import Wish, ground
from benchmarks.images import Item, mixture, radiographs
from benchmarks.machine import describe
from benchmarks.measure import CROWD, Bench, beside_floor, growth, measure, saved
from benchmarks.process import ContenderError
from benchmarks.results import Results, write
from service.inference.manifest import MANIFEST_FILE, Manifest

SECONDS: Final = 3.0
QUICK_SECONDS: Final = 2.0
PASSES: Final = 5
QUICK_PASSES: Final = 1
GROWTH: Final = (500, 5000)
QUICK_GROWTH: Final = (50, 200)
ROUNDS: Final = 12
QUICK_ROUNDS: Final = 1

console = Console()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments name."""
    options = _parser().parse_args(arguments)
    made_at, machine = datetime.now(UTC), describe()
    items = radiographs(options.images)
    with tempfile.TemporaryDirectory(prefix="pneumonia-xray-bench-") as folder:
        bench, wish = _set_up(options, items, Path(folder))
        measured, unmeasured = _measure_all(_chosen(options), bench, _passes(options))
        side = _beside(bench, wish, options.quick) if measured else None
        grown = _grow(bench, options.quick)
    results = Results(
        made_at,
        machine,
        _described(options, bench, items),
        measured,
        unmeasured,
        side,
        grown,
        len(bench.cores) or options.cores,
    )
    _show(results)
    if options.output:
        write(results, options.output)
        console.print(f"Written to {options.output}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a minute instead of twelve: does it all still run?")
    add("--only", nargs="+", metavar="WORD", help="only contenders whose names hold one of these")
    add("--images", type=Path, metavar="DIR", help="radiographs to send instead of synthetic ones")
    add("--bundle", type=Path, default=ROOT / "models", help="models folder, with a compiled graph")
    add("--precision", choices=["auto", "fp32", "int8"], default="auto", help="of that graph")
    add("--cores", type=int, default=2, help="cores for each contender (2)")
    add("--output", type=Path, metavar="FILE", help="write the page of results here")
    return parser


def _chosen(options: argparse.Namespace) -> list[Contender]:
    return [
        contender
        for contender in contenders(options.cores)
        if (contender.quick or not options.quick)
        and (not options.only or any(word in contender.name for word in options.only))
    ]


def _passes(options: argparse.Namespace) -> int:
    return QUICK_PASSES if options.quick else PASSES


def _set_up(options: argparse.Namespace, items: Sequence[Item], folder: Path) -> tuple[Bench, Wish]:
    manifest = Manifest.from_json((options.bundle / MANIFEST_FILE).read_bytes())
    cores, client_cores = shared_out(options.cores)
    seconds = QUICK_SECONDS if options.quick else SECONDS
    wish = Wish(
        bundle=str(options.bundle),
        precision=options.precision,
        files=[str(saved(item, folder)) for item in items],
        seconds=seconds,
        cores=len(cores) or options.cores,
    )
    console.print("bare loop ...")
    found = ground(wish, cores)
    work = Work(
        bundle=options.bundle,
        graph=_graph(options.bundle, manifest, found.precision),
        precision=found.precision,
        spec=manifest.input,
        cores=wish.cores,
    )
    bench = Bench(work, manifest, items, found.probabilities, cores, client_cores, seconds, folder)
    return bench, wish


def _graph(bundle: Path, manifest: Manifest, precision: str) -> Path:
    """The file that the service computes with, for the peers."""
    compiled = manifest.compiled
    if compiled is None:
        raise SystemExit(f"{bundle} holds no compiled graph: python -m training compile")
    quantised = compiled.int8 if precision == "int8" else None
    return bundle / (quantised.file if quantised else compiled.file)


def _measure_all(
    chosen: Sequence[Contender], bench: Bench, passes: int
) -> tuple[Mapping[str, Figures], Mapping[str, str]]:
    measured: dict[str, list[Figures]] = {contender.name: [] for contender in chosen}
    unmeasured: dict[str, str] = {}
    for number in range(passes):
        for contender in chosen:
            if contender.name in unmeasured:
                continue
            console.print(f"{contender.name}, pass {number + 1} of {passes} ...")
            try:
                measured[contender.name].append(measure(contender, bench))
            except ContenderError as error:
                unmeasured[contender.name] = str(error)
                console.print(f"  not measured: {error}")
    done = {name: typical(each) for name, each in measured.items() if name not in unmeasured}
    return done, unmeasured


def _beside(bench: Bench, wish: Wish, quick: bool) -> Beside | None:
    console.print("ours and the bare loop in turn ...")
    ours = contenders(bench.work.cores)[0]
    shorter = dataclasses.replace(wish, seconds=wish.seconds / 2)
    halved = dataclasses.replace(bench, seconds=bench.seconds / 2)
    try:
        return beside_floor(ours, halved, shorter, QUICK_ROUNDS if quick else ROUNDS)
    except ContenderError as error:
        console.print(f"  not measured: {error}")
        return None


def _grow(bench: Bench, quick: bool) -> Growth | None:
    few, many = QUICK_GROWTH if quick else GROWTH
    console.print(f"memory over {many} mixed requests ...")
    try:
        return growth(contenders(bench.work.cores)[0], bench, mixture(), few=few, many=many)
    except ContenderError as error:
        console.print(f"  not measured: {error}")
        return None


def _described(options: argparse.Namespace, bench: Bench, items: Sequence[Item]) -> list[str]:
    sizes = sorted(len(item.data) for item in items)
    what = "radiographs of a folder" if options.images else "synthetic chests of 1416x800 pixels"
    own = "cores of its own" if set(bench.client_cores) - set(bench.cores) else "the same cores"
    manifest = bench.manifest
    return [
        f"bundle {manifest.name} {manifest.version}, graph {bench.work.precision}",
        f"{len(items)} {what}, {sizes[len(sizes) // 2] // 1000} kB each (median)",
        "ours: lean is ONNX Runtime with no settings; old script: Flask and `model.predict`, two "
        "Keras networks; LitServe and BentoML: the same graph, one worker for each core or one "
        "worker with a thread for each",
        f"each contender on {bench.work.cores} cores; the client, a process of its own, on {own}",
        f"medians of {_passes(options)} passes over all contenders; in each a contender is "
        f"started, warmed up, asked for {bench.seconds:g} s by 1 client, then as long by {CROWD}",
    ]


def _show(results: Results) -> None:
    half = len(report.COLUMNS) // 2
    for columns in (report.COLUMNS[:half], report.COLUMNS[half:]):  # the whole is too wide
        rows = report.comparison(results.measured, results.unmeasured, columns)
        console.print(report.table(rows, "In brackets: how many times better ours is"))
    if results.beside:
        rows = report.against_floor(results.beside, results.cores)
        console.print(report.table(rows, "Against the floor"))
    if results.growth:
        console.print(report.table(report.memory(results.growth), "Memory over time"))


if __name__ == "__main__":
    main()
