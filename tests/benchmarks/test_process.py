import http.client
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks import process as module
from benchmarks.images import Item
from benchmarks.process import MIB, ContenderError, Launch, Running, combined_memory_mib, free_port

ITEM = Item("x", b"x")


def _launch(program: str, folder: Path) -> Launch:
    return Launch([sys.executable, "-c", program], {}, free_port(), folder / "log")


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_shared_memory_counts_once_and_private_memory_always() -> None:
    one, other = (150 * MIB, 100 * MIB), (90 * MIB, 60 * MIB)
    assert combined_memory_mib([one]) == 150
    assert combined_memory_mib([one, other]) == 100 + 60 + 50
    assert combined_memory_mib([]) == 0


def test_a_contender_that_exits_is_reported_with_its_last_output(
    tmp_path: Path,
) -> None:
    launch = _launch("print('no such network'); raise SystemExit(3)", tmp_path)
    with (
        Running(launch, []) as running,
        pytest.raises(ContenderError, match="no such network"),
    ):
        running.time_to_first_answer(ITEM)


def test_a_contender_can_be_suspended_resumed_and_ended(tmp_path: Path) -> None:
    program = "import time\nwhile True: time.sleep(0.001)"
    with Running(_launch(program, tmp_path), []) as running:
        process = psutil.Process(running.process_id)
        running.suspend()
        while process.status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        running.resume()
        while process.status() == psutil.STATUS_STOPPED:
            time.sleep(0.01)
        running.suspend()
    assert not _lives(process)


def test_children_of_a_contender_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.5)  # this one's child does not stop when told
    child = "import time; time.sleep(60)"
    program = (
        # Work enough to be seen by a clock that ticks a hundred times a second.
        "import subprocess, sys, time\nwhile time.process_time() < 0.1: pass\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    )
    with Running(_launch(program, tmp_path), []) as running:
        parent = psutil.Process(running.process_id)
        while not parent.children():
            time.sleep(0.01)
        family = [parent, *parent.children()]
        assert running.memory_mib() > 0
        assert running.cpu_seconds() > 0
    assert not any(map(_lives, family))


def test_a_contender_that_does_not_listen_refuses_the_connection(tmp_path: Path) -> None:
    with (
        Running(_launch("import time; time.sleep(60)", tmp_path), []) as running,
        pytest.raises((OSError, http.client.HTTPException)),
    ):
        running.ask(ITEM)
