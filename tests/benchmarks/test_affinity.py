import os

import pytest

from benchmarks.affinity import pin_to_cores, split_cores


def test_the_client_gets_the_remaining_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 0, 1}, raising=False)
    assert split_cores(2) == ([0, 1], [3])


def test_without_remaining_cores_the_client_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert split_cores(2) == ([0, 1], [0, 1])


def test_without_affinity_nothing_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert split_cores(2) == ([], [])
    pin_to_cores(0, [])
