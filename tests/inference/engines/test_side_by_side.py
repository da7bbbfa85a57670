"""Parts of a call share the cores that no other call has."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.inference.engines.side_by_side import SideBySide


def who(_: int) -> int:
    return threading.get_ident()


@pytest.mark.parametrize("cores", [1, 2, 3, 9])
@pytest.mark.parametrize("parts", [0, 1, 2, 5])
def test_results_are_in_the_order_of_the_parts(cores: int, parts: int) -> None:
    run = SideBySide(cores)
    for _ in range(20):
        assert run(lambda part: part * part, range(parts)) == [n * n for n in range(parts)]


def test_a_call_alone_takes_another_core_for_its_second_part() -> None:
    both = threading.Barrier(2, timeout=30)
    assert sorted(SideBySide(2)(lambda _: both.wait(), [0, 1])) == [0, 1]


def test_a_single_core_computes_part_after_part() -> None:
    assert set(SideBySide(1)(who, [0, 1, 2])) == {threading.get_ident()}


def test_as_many_calls_as_cores_keep_to_their_own() -> None:
    run, begun, go_on = SideBySide(2), threading.Event(), threading.Event()

    def hold(_: int) -> int:
        begun.set()
        assert go_on.wait(30)
        return 0

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(run, hold, [0])
        assert begun.wait(30)
        assert set(run(who, [0, 1])) == {threading.get_ident()}
        go_on.set()
        other.result()
    assert len(set(run(who, [0, 1]))) == 2


def test_a_thread_that_cannot_be_had_costs_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    run = SideBySide(2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            run(who, [0, 1])
    assert len(set(run(who, [0, 1]))) == 2


@pytest.mark.parametrize("bad", [0, 1])
def test_a_part_that_fails_fails_the_call_and_frees_its_core(bad: int) -> None:
    def work(part: int) -> int:
        if part == bad:
            raise ValueError("no such part")
        return threading.get_ident()

    run = SideBySide(2)
    for _ in range(3):
        with pytest.raises(ValueError, match="no such part"):
            run(work, [0, 1])
    assert len(set(run(who, [0, 1]))) == 2
