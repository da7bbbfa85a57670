import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.server.process import settle, use_batch_scheduling

ROOT = Path(__file__).parents[2]

CODE = """
import os
from threading import Thread
from service.server.process import use_batch_scheduling

print(use_batch_scheduling())
later = Thread(target=lambda: print(os.sched_getscheduler(0) == os.SCHED_BATCH))
later.start()
later.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the policy is Linux'")
def test_threads_that_are_started_later_wait_their_turn() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert run.stdout.split() == ["True", "True"]


def test_where_it_is_forbidden_the_usual_policy_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbid, raising=False)
    assert not use_batch_scheduling()


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "sched_setscheduler", raising=False)
    assert not use_batch_scheduling()


def test_what_is_there_is_never_searched_again() -> None:
    gc.unfreeze()
    kept: list[list[object]] = [[] for _ in range(1000)]
    try:
        settle()
        assert gc.get_freeze_count() > len(kept)
    finally:
        gc.unfreeze()
