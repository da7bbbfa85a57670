import os

import pytest

from benchmarks.cores import keep_to, shared_out


def test_the_client_gets_what_the_contenders_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 0, 1}, raising=False)
    assert shared_out(2) == ([0, 1], [3])


def test_where_nothing_is_left_the_client_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert shared_out(2) == ([0, 1], [0, 1])


def test_a_system_without_affinity_binds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert shared_out(2) == ([], [])
    keep_to(0, [])
