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
from benchmarks.affinity import split_cores
from benchmarks.bytecode import compile_bytecode
from benchmarks.contenders import ROOT, Contender, Work, contenders
from benchmarks.figures import Figures, FloorComparison, MemoryGrowth, Turn, summarise
from benchmarks.floor import LoopSpec, measure_floor
from benchmarks.images import Item, mixed_items, radiographs
from benchmarks.machine import describe
from benchmarks.measure import (
    CROWD,
    Bench,
    PausedContender,
    measure_against_floor,
    measure_memory_growth,
    save_item,
    time_to_first_answer,
)
from benchmarks.process import ContenderError
from benchmarks.results import Results, write, write_figures
from service.inference.manifest import MANIFEST_FILE, Manifest

SECONDS: Final = 1.5
ORIGINALS: Final = ROOT.parent / "shared/data/originals"
STARTS: Final = 5
ROUNDS: Final = 12
GROWTH: Final = (500, 5000)
QUICK_GROWTH: Final = (50, 200)

T = TypeVar("T")

console = Console()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = _parser().parse_args(arguments)
    # As for Ctrl-C: end the suspended contenders first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    made_at, machine = datetime.now(UTC), describe()
    items = radiographs(_folder(options.images))
    bytecode_compiled = compile_bytecode()
    with tempfile.TemporaryDirectory(prefix="pneumonia-xray-bench-") as folder:
        bench, spec = _prepare(options, items, Path(folder))
        starts, rounds = _repetitions(options)
        selected = _selected_contenders(options)
        measured, failed = _measure_contenders(selected, bench, starts, rounds)
        skipped = set(options.without)
        compared = measured and "floor" not in skipped
        comparison = _compare_to_floor(bench, spec, rounds) if compared else None
        growth = None if "memory" in skipped else _memory_growth(bench, items, options.quick)
    results = Results(
        made_at,
        machine,
        _describe_setup(options, bench, items, bytecode_compiled),
        measured,
        failed,
        comparison,
        growth,
        len(bench.cores) or options.cores,
    )
    _show(results)
    if options.output:
        write(results, options.output)
        console.print(f"Written to {options.output}")
    if options.figures:
        write_figures(results, options.figures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="one or two minutes, to check that everything runs",
    )
    add("--only", nargs="+", metavar="WORD", help="only contenders named like this")
    add(
        "--images",
        type=Path,
        metavar="DIR",
        help="radiographs to send; default: ../shared/data/originals. The input gate of the bundle "
        "refuses drawings, so they must be real",
    )
    add("--bundle", type=Path, default=ROOT / "models", help="models folder with compiled graphs")
    add(
        "--precision",
        choices=["auto", "fp32", "int8"],
        default="auto",
        help="of the graphs",
    )
    add("--cores", type=int, default=2, help="cores per contender (2)")
    add(
        "--without",
        nargs="+",
        choices=["floor", "memory"],
        default=[],
        help="leave out a part that takes minutes",
    )
    add("--output", type=Path, metavar="FILE", help="write the results to this file")
    add("--figures", type=Path, metavar="FILE", help="write the bare figures to this file, as JSON")
    return parser


def _folder(given: Path | None) -> Path:
    """The radiographs to send."""
    folder: Path = given or ORIGINALS
    if not folder.is_dir():
        raise SystemExit(f"{folder} is no folder: name one of real radiographs with --images.")
    return folder


def _selected_contenders(options: argparse.Namespace) -> list[Contender]:
    return [
        contender
        for contender in contenders(options.cores)
        if (contender.quick or not options.quick)
        and (not options.only or any(word in contender.name for word in options.only))
    ]


def _repetitions(options: argparse.Namespace) -> tuple[int, int]:
    """Number of starts of each contender, and of rounds."""
    return (1, 1) if options.quick else (STARTS, ROUNDS)


def _prepare(
    options: argparse.Namespace, items: Sequence[Item], folder: Path
) -> tuple[Bench, LoopSpec]:
    manifest = Manifest.from_json((options.bundle / MANIFEST_FILE).read_bytes())
    cores, client_cores = split_cores(options.cores)
    spec = LoopSpec(
        bundle=str(options.bundle),
        precision=options.precision,
        files=[str(save_item(item, folder)) for item in items],
        seconds=SECONDS,
        cores=len(cores) or options.cores,
    )
    console.print("bare loop ...")
    found = measure_floor(spec, cores)
    work = Work(
        bundle=options.bundle,
        precision=options.precision,
        graph=found.precision,
        cores=spec.cores,
    )
    bench = Bench(work, manifest, items, found.probabilities, cores, client_cores, SECONDS, folder)
    return bench, spec


def _measure_contenders(
    chosen: Sequence[Contender], bench: Bench, starts: int, rounds: int
) -> tuple[Mapping[str, Figures], Mapping[str, str]]:
    start_times: dict[str, list[float]] = {contender.name: [] for contender in chosen}
    turns: dict[str, list[Turn]] = {contender.name: [] for contender in chosen}
    failed: dict[str, str] = {}

    def attempt(name: str, action: Callable[[], T]) -> T | None:
        """The result of an action; None if its contender fails or has failed."""
        if name in failed:
            return None
        try:
            return action()
        except ContenderError as error:
            failed[name] = str(error)
            console.print(f"  {name} is not measured: {error}")
            return None

    for number in range(1, starts):
        console.print(f"start {number} of {starts} of each ...")
        for it in chosen:
            start_s = attempt(it.name, partial(time_to_first_answer, it, bench))
            start_times[it.name] += [] if start_s is None else [start_s]
    console.print(f"start {starts} of {starts} of each ...")
    with ExitStack() as stack:
        paused: dict[str, PausedContender] = {}
        for it in chosen:
            contender = attempt(it.name, partial(PausedContender, it, bench))
            if contender:
                paused[it.name] = stack.enter_context(contender)
                start_times[it.name].append(contender.start_s)
        for number in range(1, rounds + 1):
            console.print(f"round {number} of {rounds} ...")
            for name, contender in paused.items():
                turn = attempt(name, contender.turn)
                turns[name] += [] if turn is None else [turn]
        done = {
            name: summarise(start_times[name], turns[name], contender.difference)
            for name, contender in paused.items()
            if name not in failed
        }
    return done, failed


def _compare_to_floor(bench: Bench, spec: LoopSpec, rounds: int) -> FloorComparison | None:
    console.print("ours and the bare loop in turn ...")
    ours = contenders(bench.work.cores)[0]
    try:
        return measure_against_floor(ours, bench, spec, rounds)
    except ContenderError as error:
        console.print(f"  not measured: {error}")
        return None


def _memory_growth(bench: Bench, items: list[Item], quick: bool) -> MemoryGrowth | None:
    few, many = QUICK_GROWTH if quick else GROWTH
    console.print(f"memory over {many} mixed requests ...")
    try:
        return measure_memory_growth(
            contenders(bench.work.cores)[0], bench, mixed_items(items), few=few, many=many
        )
    except ContenderError as error:
        console.print(f"  not measured: {error}")
        return None


def _describe_setup(
    options: argparse.Namespace, bench: Bench, items: Sequence[Item], bytecode_compiled: bool
) -> list[str]:
    sizes = sorted(len(item.data) for item in items)
    images = "radiographs of a folder" if options.images else "films of the public training split"
    client_cores = "other cores" if set(bench.client_cores) - set(bench.cores) else "the same cores"
    manifest = bench.manifest
    starts, rounds = _repetitions(options)
    bytecode = "compiled before, as in the image" if bytecode_compiled else "compiled by each"
    return [
        f"bundle {manifest.name} {manifest.version}, graph {bench.work.graph}",
        f"{len(items)} {images}, {sizes[len(sizes) // 2] // 1000} kB each (median)",
        "ours: lean is ONNX Runtime with default settings; both have the image's limits for "
        "glibc's allocator; old script: Flask and `model.predict`, "
        "two Keras networks on the whole frame, without segmentation or gate; LitServe and "
        "BentoML: ours without its HTTP, one worker per core or one worker with a thread per core",
        f"each contender on {bench.work.cores} cores; the client process on {client_cores}",
        f"first answers: medians of {starts} starts, all contenders in turn, Python's bytecode "
        f"{bytecode}; the rest: medians of {rounds} rounds, in each of which every contender is "
        f"loaded for {bench.seconds:g} s by 1 client, then by {CROWD}, and is suspended (SIGSTOP) "
        "while others are measured",
    ]


def _show(results: Results) -> None:
    half = len(report.COLUMNS) // 2
    for columns in (report.COLUMNS[:half], report.COLUMNS[half:]):  # too wide for one table
        rows = report.comparison_table(results.measured, results.failed, columns)
        console.print(report.table(rows, "In brackets: how many times better ours is"))
    if results.comparison:
        rows = report.floor_table(results.comparison, results.cores)
        console.print(report.table(rows, "Against the floor"))
    if results.growth:
        console.print(report.table(report.memory(results.growth), "Memory over time"))


if __name__ == "__main__":
    main()
