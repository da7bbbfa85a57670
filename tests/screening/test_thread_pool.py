import gc
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial

import pytest

from service.screening.thread_pool import LifoThreadPool, WorkerError


@pytest.fixture
def pool() -> Iterator[LifoThreadPool]:
    pool = LifoThreadPool(3, "worker")
    yield pool
    pool.shutdown()


def name() -> str:
    return threading.current_thread().name


def test_results_are_returned(pool: LifoThreadPool) -> None:
    futures = [pool.submit(partial(pow, number, 2)) for number in range(50)]
    assert [future.result(10) for future in futures] == [number**2 for number in range(50)]


def test_work_runs_in_the_context_of_its_caller(pool: LifoThreadPool) -> None:
    variable = ContextVar("variable", default="none")
    variable.set("the caller's")
    assert pool.submit(variable.get).result(10) == "the caller's"


def test_the_last_busy_thread_gets_the_next_work(pool: LifoThreadPool) -> None:
    gate = threading.Barrier(4)
    for _ in range(3):
        pool.submit(partial(gate.wait, 10))
    gate.wait(10)  # all three have been at work
    # A result may be here a moment before its thread is idle; then another thread is next.
    used = Counter(pool.submit(name).result(10) for _ in range(300))
    assert used.most_common(1)[0][1] > 200


def test_all_threads_work_when_there_is_work(pool: LifoThreadPool) -> None:
    gate = threading.Barrier(3)

    def meet() -> str:
        gate.wait(10)
        return name()

    used = {future.result(10) for future in [pool.submit(meet) for _ in range(3)]}
    assert used == {"worker_0", "worker_1", "worker_2"}


def test_queued_work_runs_in_order(pool: LifoThreadPool) -> None:
    gate, done = threading.Event(), list[int]()
    for _ in range(2):
        pool.submit(partial(gate.wait, 10))
    futures = [pool.submit(partial(done.append, number)) for number in range(100)]
    futures[-1].result(10)
    gate.set()
    assert done == [*range(100)]


def test_cancelled_work_never_runs() -> None:
    pool, gate, done = LifoThreadPool(1, "worker"), threading.Event(), list[int]()
    running = pool.submit(partial(gate.wait, 10))
    futures = [pool.submit(partial(done.append, number)) for number in range(3)]
    assert futures[1].cancel()
    gate.set()
    assert running.result(10)
    pool.shutdown()
    assert not running.cancel()
    assert done == [0, 2]


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()])
def test_an_exception_is_returned_and_the_thread_survives(error: BaseException) -> None:
    pool = LifoThreadPool(1, "worker")

    def fail() -> None:
        raise error

    raised = pool.submit(fail).exception(10)
    if isinstance(error, ValueError):
        assert raised is error
    else:
        assert isinstance(raised, WorkerError)
        assert raised.__cause__ is error
    assert pool.submit(name).result(10) == "worker_0"
    pool.shutdown()


@pytest.mark.parametrize("fails", [False, True])
def test_finished_work_is_released(pool: LifoThreadPool, fails: bool) -> None:
    class Work:
        def __call__(self) -> None:
            if fails:
                raise ValueError

    work = Work()
    left = weakref.ref(work)
    gc.collect()
    gc.disable()
    try:
        future = pool.submit(work)
        assert isinstance(future.exception(10), ValueError) == fails
        del work, future
        time.sleep(0.05)
        assert left() is None
    finally:
        gc.enable()


class TestShutdown:
    def test_queued_work_is_finished_first(self) -> None:
        pool, done = LifoThreadPool(2, "worker"), list[int]()
        for number in range(200):
            pool.submit(partial(done.append, number))
        pool.shutdown()
        assert sorted(done) == [*range(200)]

    def test_queued_work_can_be_cancelled(self) -> None:
        pool, gate = LifoThreadPool(1, "worker"), threading.Event()
        running, waiting = pool.submit(partial(gate.wait, 10)), pool.submit(name)
        pool.shutdown(wait=False, cancel_futures=True)
        assert waiting.cancelled()
        gate.set()
        assert running.result(10)

    def test_no_work_is_accepted_afterwards(self, pool: LifoThreadPool) -> None:
        pool.submit(name).result(10)
        pool.shutdown()
        with pytest.raises(RuntimeError):
            pool.submit(name)

    def test_its_threads_end(self) -> None:
        before = set(threading.enumerate())  # one of another test may end meanwhile
        pool = LifoThreadPool(4, "worker")
        pool.start()
        assert len(set(threading.enumerate()) - before) == 4
        pool.submit(name).result(10)
        pool.shutdown()
        assert set(threading.enumerate()) <= before

    def test_an_unused_pool_can_be_shut_down(self) -> None:
        before = set(threading.enumerate())
        pool = LifoThreadPool(4, "worker")
        pool.shutdown()
        assert set(threading.enumerate()) <= before
