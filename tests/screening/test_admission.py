import asyncio
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import QueueFullError, ShuttingDownError, WaitTooLongError
from service.observability.record import RequestRecord, note_problem, recording, stage
from service.screening.admission import Admission
from service.screening.thread_pool import WorkerError

pytestmark = pytest.mark.anyio


class Gate:
    """Work that goes on until the test lets it."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.started: list[str] = []

    def work(self, name: str) -> Callable[[], str]:
        def run() -> str:
            self.started.append(name)
            assert self._open.wait(30)
            return name

        return run

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
async def admission(gate: Gate) -> AsyncIterator[Admission]:
    admission = Admission(threads=1, places=2, deadline_s=30)
    yield admission
    gate.open()
    await admission.close()
    assert (admission.running, admission.waiting) == (0, 0)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - conditions are of any kind
            await asyncio.sleep(0.001)


async def occupy(
    admission: Admission, gate: Gate, *names: str, client: str = ""
) -> list[asyncio.Task[str]]:
    """Start work in order, each in its place before the next; threads have begun what is theirs."""
    tasks = []
    for name in names:
        before = admission.running + admission.waiting
        tasks.append(asyncio.create_task(admission.run(gate.work(name), client)))
        await eventually(lambda before=before: admission.running + admission.waiting > before)  # type: ignore[misc]
    await eventually(lambda: len(gate.started) >= admission.running)
    return tasks


async def test_the_result_of_the_work_is_returned(admission: Admission) -> None:
    assert await admission.run(lambda: "result") == "result"


async def test_an_exception_of_the_work_is_raised(admission: Admission) -> None:
    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await admission.run(fail)


async def test_work_cannot_end_the_process(admission: Admission) -> None:
    def leave() -> None:
        raise SystemExit(1)

    with pytest.raises(WorkerError):
        await admission.run(leave)
    assert await admission.run(lambda: "alive") == "alive"


async def test_as_many_run_as_there_are_threads_and_the_rest_wait(gate: Gate) -> None:
    admission = Admission(threads=2, places=2, deadline_s=30)
    tasks = await occupy(admission, gate, "a", "b", "c", "d")
    assert (admission.running, admission.waiting) == (2, 2)
    gate.open()
    assert await asyncio.gather(*tasks) == ["a", "b", "c", "d"]
    await admission.close()


async def test_the_queue_is_first_in_first_out(admission: Admission, gate: Gate) -> None:
    tasks = await occupy(admission, gate, "a", "b", "c")
    gate.open()
    await asyncio.gather(*tasks)
    assert gate.started == ["a", "b", "c"]


async def test_clients_take_turns(gate: Gate) -> None:
    admission = Admission(threads=1, places=8, deadline_s=30)
    tasks = await occupy(admission, gate, "a", "b", "c", "d", client="noisy")
    tasks += await occupy(admission, gate, "x", "y", client="calm")
    tasks += await occupy(admission, gate, "z", client="third")
    gate.open()
    await asyncio.gather(*tasks)
    assert gate.started == ["a", "b", "x", "z", "c", "y", "d"]
    await admission.close()


async def test_a_full_queue_refuses_at_once(admission: Admission, gate: Gate) -> None:
    await occupy(admission, gate, "a", "b", "c")
    with pytest.raises(QueueFullError) as refusal:
        await admission.run(gate.work("d"))
    assert refusal.value.retry_after_s is not None
    assert 1 <= refusal.value.retry_after_s <= 60
    with pytest.raises(QueueFullError):
        admission.check()
    assert "d" not in gate.started


async def test_without_places_only_a_free_thread_admits(gate: Gate) -> None:
    admission = Admission(threads=1, places=0, deadline_s=30)
    admission.check()
    [task] = await occupy(admission, gate, "a")
    with pytest.raises(QueueFullError):
        await admission.run(gate.work("b"))
    gate.open()
    assert await task == "a"
    await admission.close()


async def test_work_that_waits_too_long_never_starts(gate: Gate) -> None:
    admission = Admission(threads=1, places=2, deadline_s=0.05)
    [task] = await occupy(admission, gate, "a")
    with pytest.raises(WaitTooLongError) as refusal:
        await admission.run(gate.work("b"))
    assert refusal.value.retry_after_s is not None
    assert admission.waiting == 0
    gate.open()
    assert await task == "a"
    await admission.close()
    assert gate.started == ["a"]


async def test_the_deadline_is_on_the_wait_and_not_on_the_work(gate: Gate) -> None:
    admission = Admission(threads=1, places=0, deadline_s=1.0)
    [task] = await occupy(admission, gate, "a")
    await asyncio.sleep(1.1)
    gate.open()
    assert await task == "a"
    await admission.close()


async def test_cancelled_waiting_work_leaves_the_queue_and_never_starts(
    admission: Admission, gate: Gate
) -> None:
    first, second, third = await occupy(admission, gate, "a", "b", "c")
    second.cancel()
    await asyncio.wait([second])
    assert admission.waiting == 1
    gate.open()
    assert await first == "a"
    assert await third == "c"
    assert gate.started == ["a", "c"]


async def test_cancelled_running_work_keeps_its_thread_until_it_ends(
    admission: Admission, gate: Gate
) -> None:
    first, second = await occupy(admission, gate, "a", "b")
    await eventually(lambda: gate.started == ["a"])
    first.cancel()
    await asyncio.wait([first])
    assert (admission.running, admission.waiting) == (1, 1)
    gate.open()
    assert await second == "b"
    await eventually(lambda: admission.running == 0)


async def test_abandoned_work_that_fails_has_no_effect(admission: Admission) -> None:
    go_on = threading.Event()

    def fail() -> None:
        assert go_on.wait(30)
        raise ValueError("broken")

    task = asyncio.create_task(admission.run(fail))
    await eventually(lambda: admission.running == 1)
    task.cancel()
    await asyncio.wait([task])
    go_on.set()
    await eventually(lambda: admission.running == 0)
    assert await admission.run(lambda: "next") == "next"


async def test_work_cancelled_as_a_thread_becomes_free_blocks_nothing(
    admission: Admission, gate: Gate
) -> None:
    first, second, third = await occupy(admission, gate, "a", "b", "c")
    second.cancel()
    gate.open()
    await asyncio.wait([first, second, third])
    assert first.result() == "a"
    assert second.cancelled()
    assert third.result() == "c"
    assert gate.started in (["a", "c"], ["a", "b", "c"])  # whichever was first


async def test_a_free_thread_needs_no_event_loop_to_continue(
    admission: Admission, gate: Gate
) -> None:
    tasks = await occupy(admission, gate, "a", "b", "c")
    gate.open()
    deadline = time.monotonic() + 10
    while gate.started != ["a", "b", "c"]:
        assert time.monotonic() < deadline
        time.sleep(0.001)  # noqa: ASYNC251 - the event loop stands still
    assert await asyncio.gather(*tasks) == ["a", "b", "c"]


@pytest.mark.parametrize("deadline_s", [1.0, 30])
async def test_abandoned_work_is_released(gate: Gate, deadline_s: float) -> None:
    class Work:
        def __call__(self) -> None:
            raise AssertionError

    admission = Admission(threads=1, places=2, deadline_s=deadline_s)
    [running] = await occupy(admission, gate, "a")
    work = Work()
    left = weakref.ref(work)
    waiting = asyncio.create_task(admission.run(work))
    del work
    await eventually(lambda: admission.waiting == 1)
    if deadline_s > 1.0:
        waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() or isinstance(waiting.exception(), WaitTooLongError)
    del waiting  # its exception knows where it was raised
    gc.collect()
    assert left() is None
    gate.open()
    assert await running == "a"
    await admission.close()


async def test_concurrent_calls_get_their_own_results() -> None:
    admission = Admission(threads=3, places=200, deadline_s=30)
    numbers = range(200)
    results = await asyncio.gather(
        *(admission.run(lambda number=number: number * number) for number in numbers)  # type: ignore[misc]
    )
    assert results == [number * number for number in numbers]
    await admission.close()


class TestBatch:
    async def test_results_come_in_order_and_exceptions_in_their_places(self) -> None:
        admission = Admission(threads=3, places=0, deadline_s=30)

        def square(number: int) -> int:
            if number % 5 == 2:
                raise ValueError(str(number))
            return number * number

        results = await admission.run_all(
            [lambda number=number: square(number) for number in range(20)]  # type: ignore[misc]
        )
        for number, result in enumerate(results):
            if number % 5 == 2:
                assert isinstance(result, ValueError)
                assert str(result) == str(number)
            else:
                assert result == number * number
        await admission.close()

    async def test_a_full_queue_refuses_all_of_it(self, admission: Admission, gate: Gate) -> None:
        await occupy(admission, gate, "a", "b", "c")
        with pytest.raises(QueueFullError):
            await admission.run_all([gate.work("d"), gate.work("e")])
        assert not {"d", "e"} & set(gate.started)

    async def test_a_batch_that_waits_too_long_never_starts(self, gate: Gate) -> None:
        admission = Admission(threads=2, places=2, deadline_s=0.05)
        running = await occupy(admission, gate, "a", "b")
        with pytest.raises(WaitTooLongError):
            await admission.run_all([gate.work(name) for name in "cdef"])
        assert admission.waiting == 0
        gate.open()
        assert await asyncio.gather(*running) == ["a", "b"]
        await admission.close()
        assert sorted(gate.started) == ["a", "b"]

    async def test_an_admitted_batch_is_not_cut_short_by_a_full_queue(
        self, admission: Admission, gate: Gate
    ) -> None:
        batch = asyncio.create_task(admission.run_all([gate.work(name) for name in "abc"]))
        await eventually(lambda: admission.running == 1)
        others = await occupy(admission, gate, "x", "y")
        gate.open()
        assert await batch == ["a", "b", "c"]
        assert await asyncio.gather(*others) == ["x", "y"]

    async def test_single_requests_do_not_wait_for_all_of_a_batch(
        self, admission: Admission, gate: Gate
    ) -> None:
        batch = asyncio.create_task(admission.run_all([gate.work(name) for name in "abcd"]))
        await eventually(lambda: admission.running == 1)
        others = await occupy(admission, gate, "x", "y")
        gate.open()
        await asyncio.gather(batch, *others)
        assert gate.started == ["a", "x", "y", "b", "c", "d"]

    async def test_another_client_has_its_turn_beside_a_batch_and_more(self, gate: Gate) -> None:
        admission = Admission(threads=1, places=8, deadline_s=30)
        works = [gate.work(name) for name in "abc"]
        batch = asyncio.create_task(admission.run_all(works, "noisy"))
        await eventually(lambda: admission.running == 1)
        others = await occupy(admission, gate, "d", "e", client="noisy")
        others += await occupy(admission, gate, "x", client="calm")
        gate.open()
        await asyncio.gather(batch, *others)
        assert gate.started.index("x") <= 2
        assert [name for name in gate.started if name in "abc"] == ["a", "b", "c"]
        await admission.close()

    async def test_it_uses_all_threads(self, gate: Gate) -> None:
        admission = Admission(threads=3, places=0, deadline_s=30)
        batch = asyncio.create_task(admission.run_all([gate.work(name) for name in "abcde"]))
        await eventually(lambda: len(gate.started) == 3)
        gate.open()
        assert await batch == ["a", "b", "c", "d", "e"]
        await admission.close()

    async def test_a_cancelled_batch_starts_no_more(self, admission: Admission, gate: Gate) -> None:
        batch = asyncio.create_task(admission.run_all([gate.work(name) for name in "abc"]))
        await eventually(lambda: gate.started == ["a"])
        batch.cancel()
        await asyncio.wait([batch])
        gate.open()
        await eventually(lambda: admission.running == 0)
        assert gate.started == ["a"]


class TestClosing:
    async def test_admitted_work_is_finished_and_new_work_refused(self, gate: Gate) -> None:
        admission = Admission(threads=1, places=2, deadline_s=30)
        tasks = await occupy(admission, gate, "a", "b")
        closing = asyncio.create_task(admission.close())
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDownError):
            await admission.run(gate.work("c"))
        assert not closing.done()
        gate.open()
        assert await asyncio.gather(*tasks) == ["a", "b"]
        await closing

    async def test_a_batch_in_flight_is_finished(self, gate: Gate) -> None:
        admission = Admission(threads=1, places=0, deadline_s=30)
        batch = asyncio.create_task(admission.run_all([gate.work(name) for name in "abc"]))
        await eventually(lambda: admission.running == 1)
        closing = asyncio.create_task(admission.close())
        await asyncio.sleep(0)
        gate.open()
        await closing
        assert await batch == ["a", "b", "c"]

    async def test_abandoned_work_is_waited_for(self, gate: Gate) -> None:
        admission = Admission(threads=1, places=0, deadline_s=30)
        [task] = await occupy(admission, gate, "a")
        task.cancel()
        await asyncio.wait([task])
        closing = asyncio.create_task(admission.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        gate.open()
        await closing

    async def test_an_idle_pool_closes_at_once(self) -> None:
        admission = Admission(threads=1, places=0, deadline_s=30)
        await admission.run(lambda: None)
        await admission.close()

    async def test_draining_refuses_only_new_requests(self, gate: Gate) -> None:
        admission = Admission(threads=1, places=2, deadline_s=30)
        admission.check()
        admission.drain()
        assert admission.draining
        for refuse in (admission.check, admission.check_open):
            with pytest.raises(ShuttingDownError) as refusal:
                refuse()
            assert refusal.value.retry_after_s is not None
        assert await admission.run(lambda: "let in before") == "let in before"
        await admission.close()

    async def test_work_that_hangs_is_abandoned_after_the_timeout(self, gate: Gate) -> None:
        admission = Admission(threads=1, places=0, deadline_s=30)
        [task] = await occupy(admission, gate, "a")
        await admission.close(0.01)
        assert admission.running == 1
        gate.open()
        assert await task == "a"
        assert admission.running == 0

    async def test_a_batch_that_hangs_is_refused_after_the_timeout(self, gate: Gate) -> None:
        admission = Admission(threads=1, places=0, deadline_s=30)
        batch = asyncio.create_task(admission.run_all([gate.work(name) for name in "ab"]))
        await eventually(lambda: gate.started == ["a"])
        await admission.close(0.01)
        gate.open()
        with pytest.raises(ShuttingDownError):
            await batch
        assert gate.started == ["a"]

    async def test_work_queued_behind_a_hang_is_refused_after_the_timeout(self, gate: Gate) -> None:
        admission = Admission(threads=1, places=2, deadline_s=30)
        running, waiting = await occupy(admission, gate, "a", "b")
        await admission.close(0.01)
        with pytest.raises(ShuttingDownError):
            await waiting
        gate.open()
        assert await running == "a"
        assert gate.started == ["a"]


async def test_all_threads_can_be_started_at_once() -> None:
    admission = Admission(threads=5, places=0, deadline_s=30)
    before = set(threading.enumerate())  # one of another test may end meanwhile
    admission.start_threads()
    assert len(set(threading.enumerate()) - before) == 5
    assert await admission.run(lambda: "works") == "works"
    await admission.close()


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(1),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        StopIteration(),
        StopAsyncIteration(),
        BaseException(),
        MemoryError(),
        RecursionError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_any_exception_reaches_the_caller_and_the_thread_survives(
    admission: Admission, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    async with asyncio.timeout(10):
        with pytest.raises((WorkerError, type(error))) as caught:
            await admission.run(fail)
        assert isinstance(caught.value, Exception)
        [outcome] = await admission.run_all([fail])
        assert isinstance(outcome, Exception)
        assert await admission.run(lambda: "alive") == "alive"
    assert (admission.running, admission.waiting) == (0, 0)


async def test_waiting_time_and_notes_are_recorded_with_the_request(
    admission: Admission,
) -> None:
    def work() -> None:
        with stage("inference"):
            note_problem("from the thread")

    record = RequestRecord("r1")
    with recording(record):
        await admission.run(work)
        await admission.run_all([work, work])
    assert [timing.stage for timing in record.stages] == ["queue", "inference"] * 3
    assert record.problems == ["from the thread"] * 3


class Crowd:
    """Clients that come and go, and threads that finish, as a list of steps says."""

    def __init__(self, threads: int, places: int) -> None:
        self.admission = Admission(threads=threads, places=places, deadline_s=0.05)
        self.under_way: list[asyncio.Task[object]] = []
        self.gates: list[threading.Event] = []
        self.batches = 0

    def _work(self, *, fails: bool = False) -> Callable[[], str]:
        gate = threading.Event()
        self.gates.append(gate)

        def wait() -> str:
            assert gate.wait(30)
            if fails:
                raise ValueError("broken")
            return "done"

        return wait

    def run(self) -> None:
        self.under_way.append(asyncio.create_task(self.admission.run(self._work())))

    def fail(self) -> None:
        self.under_way.append(asyncio.create_task(self.admission.run(self._work(fails=True))))

    def batch(self) -> None:
        self.batches += 1
        works = [self._work(), self._work(fails=True), self._work()]
        self.under_way.append(asyncio.create_task(self.admission.run_all(works)))

    def finish(self) -> None:
        if self.gates:
            self.gates.pop(0).set()

    def cancel(self) -> None:
        if self.under_way:
            self.under_way.pop(0).cancel()

    def drain(self) -> None:
        self.admission.drain()

    def wait(self) -> None:
        """Threads and deadlines get their time after each step."""

    async def leave(self) -> None:
        for gate in self.gates:
            gate.set()
        async with asyncio.timeout(20):
            await self.admission.close()
            await asyncio.gather(*self.under_way, return_exceptions=True)


STEPS = ["run", "batch", "fail", "finish", "cancel", "wait", "drain"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(STEPS), max_size=30), st.integers(1, 3), st.integers(0, 3))
def test_counts_are_right_after_any_sequence_of_events(
    steps: list[str], threads: int, places: int
) -> None:
    async def main() -> None:
        crowd = Crowd(threads, places)
        admission = crowd.admission
        for step in steps:
            getattr(crowd, step)()
            await asyncio.sleep(0.001 if step == "wait" else 0)
            assert 0 <= admission.running <= threads
            assert 0 <= admission.waiting <= places + threads * crowd.batches
        await crowd.leave()
        assert (admission.running, admission.waiting) == (0, 0)

    asyncio.run(main())


def test_work_that_outlives_its_event_loop_logs_no_error(caplog: pytest.LogCaptureFixture) -> None:
    proceed = threading.Event()

    def work() -> None:
        assert proceed.wait(30)

    async def main() -> None:
        admission = Admission(threads=1, places=1, deadline_s=30)
        task = asyncio.create_task(admission.run(work))
        await eventually(lambda: admission.running == 1)
        await admission.close(0.01)
        task.cancel()
        await asyncio.wait([task])

    before = set(threading.enumerate())
    asyncio.run(main())
    [worker] = set(threading.enumerate()) - before
    proceed.set()
    worker.join(30)
    assert not worker.is_alive()
    assert caplog.records == []
