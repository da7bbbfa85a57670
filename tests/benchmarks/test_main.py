import os
import signal
import subprocess
import sys
import uuid

import psutil
import pytest

from tests.films import needs_films
from tests.serving import ROOT


def started_by(mark: str) -> list[str]:
    """Command lines of all processes with a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BENCH_OF_A_TEST") == mark:
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


@needs_films
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_benchmark_leaves_no_process(number: signal.Signals) -> None:
    mark = uuid.uuid4().hex
    bench = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "lean"],
        cwd=ROOT,
        env=os.environ | {"BENCH_OF_A_TEST": mark, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with bench:
        try:
            assert bench.stdout is not None
            assert any(line.startswith("round 1") for line in bench.stdout)
            assert any("service" in command for command in started_by(mark))
            bench.send_signal(number)
            bench.wait(60)
        finally:
            bench.kill()
    assert bench.returncode != 0
    assert started_by(mark) == []
