"""``python -m benchmarks``: measure all contenders in turn and print tables."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console

from benchmarks import report
from benchmarks.bytecode import keep_bytecode
from benchmarks.contenders import ROOT, Contender, Work, contenders
from benchmarks.cores import shared_out
from benchmarks.figures import Beside, Figures, Growth, Turn, typical
from benchmarks.floor import Wish, ground
from benchmarks.images import Item, mixture, radiographs
from benchmarks.machine import describe
from benchmarks.measure import CROWD, Bench, Standing, beside_floor, first_answer, growth, saved
from benchmarks.process import ContenderError
from benchmarks.results import Results, write
from service.inference.manifest import MANIFEST_FILE, Manifest

SECONDS: Final = 1.5
STARTS: Final = 5
ROUNDS: Final = 12
GROWTH: Final = (500, 5000)
QUICK_GROWTH: Final = (50, 200)

T = TypeVar("T")

console = Console()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments name."""
    options = _parser().parse_args(arguments)
    # As for Ctrl-C: what was started, and stands still, is ended first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    made_at, machine = datetime.now(UTC), describe()
    items = radiographs(options.images)
    bytecode_kept = keep_bytecode()
    with tempfile.TemporaryDirectory(prefix="pneumonia-xray-bench-") as folder:
        bench, wish = _set_up(options, items, Path(folder))
        measured, unmeasured = _measure_all(_chosen(options), bench, *_how_often(options))
        side = _beside(bench, wish, _how_often(options)[1]) if measured else None
        grown = _grow(bench, options.quick)
    results = Results(
        made_at,
        machine,
        _described(options, bench, items, bytecode_kept),
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
    add(
        "--quick",
        action="store_true",
        help="a minute or two, to see that it all still runs",
    )
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


def _how_often(options: argparse.Namespace) -> tuple[int, int]:
    """Starts of each contender, and rounds in which each gets its turn."""
    return (1, 1) if options.quick else (STARTS, ROUNDS)


def _set_up(options: argparse.Namespace, items: Sequence[Item], folder: Path) -> tuple[Bench, Wish]:
    manifest = Manifest.from_json((options.bundle / MANIFEST_FILE).read_bytes())
    cores, client_cores = shared_out(options.cores)
    wish = Wish(
        bundle=str(options.bundle),
        precision=options.precision,
        files=[str(saved(item, folder)) for item in items],
        seconds=SECONDS,
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
    bench = Bench(work, manifest, items, found.probabilities, cores, client_cores, SECONDS, folder)
    return bench, wish


def _graph(bundle: Path, manifest: Manifest, precision: str) -> Path:
    """The file that the service computes with, for the peers."""
    compiled = manifest.compiled
    if compiled is None:
        raise SystemExit(f"{bundle} holds no compiled graph: python -m training compile")
    quantised = compiled.int8 if precision == "int8" else None
    return bundle / (quantised.file if quantised else compiled.file)


def _measure_all(
    chosen: Sequence[Contender], bench: Bench, starts: int, rounds: int
) -> tuple[Mapping[str, Figures], Mapping[str, str]]:
    first: dict[str, list[float]] = {contender.name: [] for contender in chosen}
    turns: dict[str, list[Turn]] = {contender.name: [] for contender in chosen}
    unmeasured: dict[str, str] = {}

    def told(name: str, action: Callable[[], T]) -> T | None:
        """What an action gives, unless its contender fails."""
        if name in unmeasured:
            return None
        try:
            return action()
        except ContenderError as error:
            unmeasured[name] = str(error)
            console.print(f"  {name} is not measured: {error}")
            return None

    for number in range(1, starts):
        console.print(f"start {number} of {starts} of each ...")
        for it in chosen:
            start_s = told(it.name, partial(first_answer, it, bench))
            first[it.name] += [] if start_s is None else [start_s]
    console.print(f"start {starts} of {starts} of each ...")
    with ExitStack() as stack:
        standing: dict[str, Standing] = {}
        for it in chosen:
            stands = told(it.name, partial(Standing, it, bench))
            if stands:
                standing[it.name] = stack.enter_context(stands)
                first[it.name].append(stands.start_s)
        for number in range(1, rounds + 1):
            console.print(f"round {number} of {rounds} ...")
            for name, stands in standing.items():
                turn = told(name, stands.turn)
                turns[name] += [] if turn is None else [turn]
        done = {
            name: typical(first[name], turns[name], stands.difference)
            for name, stands in standing.items()
            if name not in unmeasured
        }
    return done, unmeasured


def _beside(bench: Bench, wish: Wish, rounds: int) -> Beside | None:
    console.print("ours and the bare loop in turn ...")
    ours = contenders(bench.work.cores)[0]
    try:
        return beside_floor(ours, bench, wish, rounds)
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


def _described(
    options: argparse.Namespace, bench: Bench, items: Sequence[Item], bytecode_kept: bool
) -> list[str]:
    sizes = sorted(len(item.data) for item in items)
    what = "radiographs of a folder" if options.images else "synthetic chests of 1416x800 pixels"
    own = "cores of its own" if set(bench.client_cores) - set(bench.cores) else "the same cores"
    manifest = bench.manifest
    starts, rounds = _how_often(options)
    bytecode = "kept before, as in the image" if bytecode_kept else "made anew by each"
    return [
        f"bundle {manifest.name} {manifest.version}, graph {bench.work.precision}",
        f"{len(items)} {what}, {sizes[len(sizes) // 2] // 1000} kB each (median)",
        "ours: lean is ONNX Runtime with no settings; old script: Flask and `model.predict`, two "
        "Keras networks; LitServe and BentoML: the same graph, one worker for each core or one "
        "worker with a thread for each",
        f"each contender on {bench.work.cores} cores; the client, a process of its own, on {own}",
        f"first answers: medians of {starts} starts, all contenders in turn, Python's bytecode "
        f"{bytecode}; the rest: medians of {rounds} rounds, in each of which every contender is "
        f"asked for {bench.seconds:g} s by 1 client, then as long by {CROWD}, and stands still "
        "while others are (SIGSTOP)",
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
