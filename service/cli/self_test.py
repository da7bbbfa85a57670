"""The checks that need the libraries: settings, CPUs, model bundle, speed and memory."""

import io
import os
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.cli.check import Finding
from service.cli.errors import CommandError
from service.cli.loading import load_model, read_settings
from service.cli.ordered_map import ordered_map
from service.errors import NotAChestRadiographError
from service.imaging import InputSpec
from service.inference import Ensemble, golden_inputs
from service.screening.cpu_quota import available_cpus
from service.screening.screen import Screening
from service.settings import MIB, Settings

_WIDTH, _HEIGHT = 1416, 800
"""Size of the synthetic radiograph in pixels; a common one."""

_ROUNDS: Final = 7
_BYTES_PER_PIXEL: Final = 5
"""Pillow stores a colour pixel in four bytes, and its grey level takes one more."""


def self_test(options: Mapping[str, Any]) -> Iterator[Finding]:
    """Run the checks that need the libraries.

    Args:
        options: Values by name of setting; None where an option was not given.
    """
    try:
        settings = read_settings(options)
    except CommandError as error:
        yield Finding("fail", "Settings", error.message, "Correct or unset these variables.")
        return
    threads = settings.threads or available_cpus()
    yield _processors(threads)
    started = time.perf_counter()
    try:
        ensemble = load_model(settings)
    except CommandError as error:
        text, _, advice = error.message.partition("\n")
        yield Finding("fail", "Bundle", text, advice)
        return
    yield from _bundle(ensemble, time.perf_counter() - started)
    yield _screening(Screening(ensemble, max_pixels=settings.max_pixels), threads)
    yield _memory(settings, threads)


def _processors(threads: int) -> Finding:
    usable = available_cpus()
    text = f"{os.cpu_count()} in the machine, {usable} usable, {threads} thread(s)"
    if threads > usable:
        return Finding(
            "warn",
            "Processors",
            text,
            f"More threads than processors slow each other down: set XRAY_THREADS={usable}.",
        )
    return Finding("ok", "Processors", text)


def _bundle(ensemble: Ensemble, seconds: float) -> Iterator[Finding]:
    bundle, manifest = ensemble.bundle, ensemble.bundle.manifest
    text = f"{manifest.name} {manifest.version}, {bundle.digest}, verified"
    if bundle.provenance == "manifest":
        yield Finding("ok", "Bundle", text)
    else:
        yield Finding(
            "warn",
            "Bundle",
            f"{text}; it has no manifest",
            "Its calibration is unknown: it computes what the original script did.",
        )
    engine = f"{ensemble.engine_name}, {ensemble.precision}, loaded in {seconds:.2f} s"
    if ensemble.warning:
        yield Finding("warn", "Engine", engine, ensemble.warning)
    else:
        yield Finding("ok", "Engine", engine)


def _screening(screening: Screening, threads: int) -> Finding:
    """Screen a synthetic radiograph, alone and on all threads at once."""
    data = _synthetic_radiograph()
    manifest = screening.ensemble.bundle.manifest
    seen = golden_inputs(manifest.input, len(manifest.views))["chest"][None]
    work = partial(_answer, screening, seen)
    answered = work(data)
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work(data)
        times.append(time.perf_counter() - started)
    started = time.perf_counter()
    files = [data] * (_ROUNDS * threads)
    list(ordered_map(work, files, threads=threads, stop=Event()))
    rate = len(files) / (time.perf_counter() - started)
    return Finding(
        "ok",
        "Self-test",
        f"a synthetic radiograph of {_WIDTH} x {_HEIGHT} pixels in "
        f"{1000 * statistics.median(times):.1f} ms (median of {_ROUNDS}); "
        f"{rate:.0f} a second on {threads} thread(s)"
        f"{'' if answered else '; refused by the gate: the members saw a test image instead'}",
    )


def _answer(screening: Screening, seen: NDArray[np.float32], data: bytes) -> bool:
    """Screen, and tell whether there is a verdict: a drawing need not look like a chest.

    Where it is refused, the members score ``seen``, so that the time is that of a radiograph.
    """
    try:
        screening.screen(data)
    except NotAChestRadiographError:
        screening.ensemble.score(seen)
        return False
    return True


def _synthetic_radiograph() -> bytes:
    drawing = golden_inputs(InputSpec(height=_HEIGHT, width=_WIDTH))["chest"]
    buffer = io.BytesIO()
    Image.fromarray(np.rint(drawing[..., 0] * 255).astype(np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def _memory(settings: Settings, threads: int) -> Finding:
    """Compare the limit on memory with the most that the settings allow."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = peak if sys.platform == "darwin" else peak * 1024
    peak_in_service = (
        used + settings.upload_memory_mib * MIB + threads * settings.max_pixels * _BYTES_PER_PIXEL
    )
    limit = memory_limit()
    text = (
        f"{limit // MIB} MiB available; {used // MIB} MiB used now, at most about "
        f"{peak_in_service // MIB} MiB in service"
    )
    if peak_in_service > limit:
        return Finding(
            "warn",
            "Memory",
            text,
            "Add memory, or lower XRAY_MAX_PIXELS, XRAY_UPLOAD_MEMORY_MIB or XRAY_THREADS.",
        )
    return Finding("ok", "Memory", text)


def memory_limit(root: Path = Path("/")) -> int:
    """The smaller of the machine's memory and the container's limit, in bytes.

    Args:
        root: Root of the file system.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroups of version 2 and 1
        try:
            text = (root / "sys/fs/cgroup" / file).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            limits.append(int(text))
    return min(limits)
