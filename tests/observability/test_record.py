import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.observability.record import (
    RequestRecord,
    VerdictRecord,
    note_image,
    note_problem,
    note_verdict,
    recording,
    stage,
)

NOTED = VerdictRecord("sha256:d", "NORMAL", "normal", 0.2)


def test_outside_a_request_nothing_is_recorded() -> None:
    with stage("decode"):
        note_image("a", 1)
        note_problem("corrupt_image")
    record = RequestRecord("r1")
    assert (record.stages, record.images, record.problems) == ([], [], [])


def test_inside_a_request_everything_is_recorded() -> None:
    record = RequestRecord("r1")
    with recording(record):
        with stage("decode"):
            note_image("a", 12)
        note_verdict("a", NOTED)
        note_problem("queue_full")
    with stage("inference"):
        pass
    assert [timing.stage for timing in record.stages] == ["decode"]
    [image] = record.images
    assert (image.sha256, image.size) == ("a", 12)
    assert image.verdict == NOTED
    assert record.problems == ["queue_full"]


def test_a_stage_that_fails_counts_too() -> None:
    record = RequestRecord("r1")
    with recording(record), pytest.raises(ValueError, match="broken"), stage("decode"):
        raise ValueError("broken")
    assert len(record.stages) == 1


def test_a_record_follows_its_context_into_a_thread() -> None:
    record = RequestRecord("r1")

    def work() -> None:
        with stage("inference"):
            pass

    with recording(record), ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, work).result()
        pool.submit(work).result()
    assert len(record.stages) == 1


def test_verdicts_on_two_copies_of_a_file_are_kept_apart() -> None:
    record = RequestRecord("r1")
    with recording(record):
        for _ in range(2):
            note_image("a", 1)
        note_verdict("a", NOTED)
        assert [image.verdict for image in record.images] == [NOTED, None]
        note_verdict("a", NOTED)
    assert [image.verdict for image in record.images] == [NOTED, NOTED]


def test_stages_of_a_batch_are_summed_in_order() -> None:
    record = RequestRecord("r1")
    start = record.start_s
    for name, started in (("inference", start), ("decode", start), ("decode", start)):
        record.add_stage(name, started)  # type: ignore[arg-type]
    one, two, three = (timing.seconds for timing in record.stages)
    record.response_started(200)
    told = record.durations_ms()
    assert list(told) == ["decode", "inference", "total"]
    assert told["decode"] == pytest.approx((two + three) * 1e3, abs=0.051)
    assert told["inference"] == pytest.approx(one * 1e3, abs=0.051)


def test_only_the_first_answer_counts() -> None:
    record = RequestRecord("r1")
    record.response_started(200)
    total = record.total_s
    record.response_started(500)
    assert (record.status, record.total_s) == (200, total)


def test_without_a_response_the_status_is_499() -> None:
    assert RequestRecord("r1").status == 499
