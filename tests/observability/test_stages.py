import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.observability.stages import (
    Journal,
    note_image,
    note_problem,
    note_verdict,
    opened,
    stage,
)


def test_outside_of_a_request_marks_leave_nothing() -> None:
    with stage("decode"):
        note_image("a", 1)
        note_problem("corrupt_image")
    journal = Journal("r1")
    assert (journal.laps, journal.images, journal.problems) == ([], [], [])


def test_inside_a_request_they_are_written_to_its_journal() -> None:
    journal = Journal("r1")
    with opened(journal):
        with stage("decode"):
            note_image("a", 12)
        note_verdict("a", "NORMAL", "sha256:d")
        note_problem("queue_full")
    with stage("inference"):
        pass
    assert [lap.stage for lap in journal.laps] == ["decode"]
    [image] = journal.images
    assert (image.sha256, image.size) == ("a", 12)
    assert (image.predicted_class, image.model_digest) == ("NORMAL", "sha256:d")
    assert journal.problems == ["queue_full"]


def test_a_stage_that_fails_counts_too() -> None:
    journal = Journal("r1")
    with opened(journal), pytest.raises(ValueError, match="broken"), stage("decode"):
        raise ValueError("broken")
    assert len(journal.laps) == 1


def test_a_journal_goes_with_its_context_into_a_thread() -> None:
    journal = Journal("r1")

    def work() -> None:
        with stage("inference"):
            pass

    with opened(journal), ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, work).result()
        pool.submit(work).result()
    assert len(journal.laps) == 1


def test_the_verdicts_on_two_copies_of_a_file_are_told_apart() -> None:
    journal = Journal("r1")
    with opened(journal):
        for _ in range(2):
            note_image("a", 1)
        note_verdict("a", "NORMAL", "d")
        assert [image.predicted_class for image in journal.images] == ["NORMAL", None]
        note_verdict("a", "NORMAL", "d")
    assert [image.predicted_class for image in journal.images] == ["NORMAL", "NORMAL"]


def test_stages_of_a_batch_are_added_up_in_the_order_of_a_request() -> None:
    journal = Journal("r1")
    start = journal.start_s
    for name, started in (("inference", start), ("decode", start), ("decode", start)):
        journal.ended(name, started)  # type: ignore[arg-type]
    one, two, three = (lap.seconds for lap in journal.laps)
    journal.answered(200)
    told = journal.milliseconds()
    assert list(told) == ["decode", "inference", "total"]
    assert told["decode"] == pytest.approx((two + three) * 1e3, abs=0.051)
    assert told["inference"] == pytest.approx(one * 1e3, abs=0.051)


def test_only_the_first_answer_counts() -> None:
    journal = Journal("r1")
    journal.answered(200)
    total = journal.total_s
    journal.answered(500)
    assert (journal.status, journal.total_s) == (200, total)


def test_a_request_that_nobody_answered_is_one_whose_client_has_gone() -> None:
    assert Journal("r1").status == 499
