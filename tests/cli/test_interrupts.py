"""What ends a run from outside: these need a process of its own, and real signals."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving import PATIENCE_S, ROOT, radiograph

FILES = 40


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:02}.png").write_bytes(radiograph(number % 5))
    return folder


def start(*arguments: object, delay_s: float = 0.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fake_cli", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"FAKE_DELAY_S": str(delay_s), "XRAY_THREADS": "2"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def whole_rows(table: Path) -> list[str]:
    if not table.exists():
        return []
    return [line for line in table.read_text().splitlines(keepends=True)[1:] if line[-1] == "\n"]


def run_until(rows: int, table: Path, *arguments: object) -> subprocess.Popen[str]:
    process = start(*arguments, "--csv", table, delay_s=0.05)
    wait_for(lambda: len(whole_rows(table)) >= rows)
    return process


def test_a_killed_run_loses_no_verdict_and_can_be_resumed(many: Path, tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    process = run_until(10, table, "predict", many)
    process.kill()
    process.communicate()
    done = whole_rows(table)
    assert 10 <= len(done) < FILES

    again = start("predict", many, "--csv", table)
    _, err = again.communicate()
    assert again.returncode == 0
    assert f"{len(done)} from an earlier run." in err
    assert whole_rows(table)[: len(done)] == done
    with table.open(newline="", encoding="utf-8-sig") as lines:
        names = [Path(row["path"]).name for row in csv.DictReader(lines)]
    assert names == [f"{number:02}.png" for number in range(FILES)]


def test_an_interrupted_run_explains_how_to_resume(many: Path, tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    process = run_until(5, table, "predict", many)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    done = len(whole_rows(table))
    assert process.returncode == 130
    assert 5 <= done < FILES
    assert err.splitlines()[-1] == (
        f"Interrupted: {done} of {FILES} files done and saved in {table}. "
        "Run the same command again to resume."
    )
    assert "Traceback" not in err
    assert table.read_text().endswith("\n")


def test_an_interrupted_run_without_a_table_suggests_one(many: Path) -> None:
    with start("predict", many, "--json", delay_s=0.05) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
        err = process.stderr.read()
    assert process.returncode == 130
    assert f"Interrupted: {len(lines)} of {FILES} files done." in err
    assert "With --csv FILE, a run can be resumed." in err


def test_a_closed_pipe_ends_the_run_quietly(many: Path) -> None:
    process = start("predict", many, "--json", delay_s=0.01)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 1
    assert err == ""
