"""The whole bench: start the service, play every scene, check what must hold at the end."""

import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.faults import scenes
from tests.faults.scenes import Scale, Stage
from tests.faults.subject import Subject
from tests.faults.tally import Tally, holds_a_planted_name

SETTLE_S = 20.0

_SCENES: dict[str, Callable[[Stage, Tally], None]] = {
    "malformed files": scenes.malformed_files,
    "bombs": scenes.bomb_files,
    "largest files, two at once": scenes.heavy_files,
    "raw HTTP": scenes.raw_http,
    "slow sockets": scenes.slow_sockets,
    "disconnects": scenes.disconnects,
    "overload": scenes.overload,
}


def run(
    scale: Scale,
    environment: Mapping[str, str],
    report: Callable[[str], None] = lambda _: None,
) -> list[Tally]:
    """Play every scene against a service of its own and give what came of each.

    ``report`` is told what is being done.
    """
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        home = Path(folder)

        def start() -> Subject:
            return Subject(home, environment)

        with ExitStack() as alive:
            stage = Stage(alive.enter_context(start()), scale)
            tallies = _play(stage, report)
            for number in (signal.SIGTERM, signal.SIGKILL):
                report(number.name)
                tally = Tally(f"{number.name} under load")
                scenes.end_under_load(stage, tally, number)
                stage = Stage(alive.enter_context(start()), scale, stage.references)
                scenes.go_on(stage, tally)
                tallies.append(tally)
        end = Tally("at the end")
        log = (home / "log").read_bytes()
        end.planted = sum(holds_a_planted_name(line) for line in log.splitlines())
        end.demand(end.planted == 0, f"planted names in {end.planted} lines of the log")
        unexpected = [line for line in log.splitlines() if b"Traceback" in line]
        end.demand(not unexpected, f"{len(unexpected)} traces in the log")
        end.notes.append(f"{len(log.splitlines())} lines of log searched")
        return [*tallies, end]


def _play(stage: Stage, report: Callable[[str], None]) -> list[Tally]:
    subject = stage.subject
    stage.learn()
    subject.wait_until_quiet()
    descriptors = subject.descriptors()
    tallies = []
    for name, scene in _SCENES.items():
        report(name)
        tally = Tally(name)
        subject.forget_peak()
        started = time.monotonic()
        scene(stage, tally)
        tally.notes.append(f"{time.monotonic() - started:.0f} s")
        tally.peak_mib = subject.peak_mib()
        tally.demand(subject.runs(), "the process died")
        tallies.append(tally)
        if not subject.runs():
            return tallies
    tallies.append(_afterwards(stage, descriptors))
    return tallies


def _afterwards(stage: Stage, descriptors: int) -> Tally:
    """What must be as it was when all scenes are over."""
    subject, tally = stage.subject, Tally("afterwards")
    tally.demand(subject.wait_until_quiet(), "work is left in the queue")
    deadline = time.monotonic() + SETTLE_S
    while subject.descriptors() > descriptors and time.monotonic() < deadline:
        time.sleep(0.2)
    leaked = subject.descriptors() - descriptors
    files = subject.temporary_files()
    tally.demand(leaked <= 0, f"{leaked} descriptors leaked")
    tally.demand(files == 0, f"{files} temporary files left")
    for path in ("/metrics", "/health", "/model"):
        _, body = subject.get(path)
        tally.planted += holds_a_planted_name(body)
    tally.demand(tally.planted == 0, "planted names in what the service tells of itself")
    tally.peak_mib = subject.resident_mib()
    tally.notes.append(
        f"{max(leaked, 0)} descriptors and {files} files leaked, 0 restarts, memory as it is now"
    )
    tally.take("afterwards", stage.ask(0), timed=stage.scale.timed)
    return tally
