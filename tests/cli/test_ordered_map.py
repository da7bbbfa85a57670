import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from service.cli.ordered_map import IN_FLIGHT_PER_THREAD, ordered_map, stop_on_interrupt


def test_results_are_in_the_order_of_the_items() -> None:
    def work(number: int) -> int:
        time.sleep(0.01 if number % 3 == 0 else 0)
        return number

    answers = ordered_map(work, range(50), threads=4, stop=threading.Event())
    assert list(answers) == list(range(50))


def test_items_are_processed_in_parallel() -> None:
    meeting = threading.Barrier(3)
    answers = ordered_map(
        lambda _: meeting.wait(timeout=60), range(3), threads=3, stop=threading.Event()
    )
    assert sorted(answers) == [0, 1, 2]


def test_items_are_consumed_lazily() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    answers = ordered_map(lambda number: number, items(), threads=2, stop=threading.Event())
    for expected in range(10):
        assert next(answers) == expected
        assert taken <= expected + 2 * IN_FLIGHT_PER_THREAD
    answers.close()


def test_after_a_stop_started_items_are_finished_and_no_other_starts() -> None:
    stop = threading.Event()
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 5:
            stop.set()
        return number

    answered = list(ordered_map(work, range(1000), threads=2, stop=stop))
    assert answered == sorted(begun)
    assert answered == list(range(len(answered)))
    assert 6 <= len(answered) < 6 + 2 * IN_FLIGHT_PER_THREAD


def test_a_stop_leaves_no_gap_in_the_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = threading.Event()
    taken = itertools.count()
    begin = Future.set_running_or_notify_cancel

    def begin_late(future: Future[int]) -> bool:
        if next(taken) == 4:  # taken, but not begun until what is to be cancelled was
            assert stop.wait(10)
            time.sleep(0.1)
        return begin(future)

    def work(number: int) -> int:
        if number == 5:
            stop.set()
        return number

    monkeypatch.setattr(Future, "set_running_or_notify_cancel", begin_late)
    answered = list(ordered_map(work, range(1000), threads=2, stop=stop))
    assert 5 in answered
    assert answered == list(range(len(answered)))


def test_an_error_reaches_the_caller_and_ends_the_work() -> None:
    def work(number: int) -> int:
        return 1 // (3 - number)

    answers = ordered_map(work, range(1000), threads=2, stop=threading.Event())
    with pytest.raises(ZeroDivisionError):
        list(answers)


def test_ignored_interrupts_stay_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_interrupt() as stop:
            os.kill(os.getpid(), signal.SIGINT)
        assert not stop.is_set()
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_first_interrupt_stops_and_the_second_interrupts() -> None:
    with stop_on_interrupt() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
