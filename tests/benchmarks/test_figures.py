import pytest

from benchmarks.figures import latencies, ratio, share_of_floor
from tests.benchmarks.made_up import FLOOR


def test_percentiles_lie_where_the_answers_do() -> None:
    summary = latencies([float(number) for number in range(101)])
    assert (summary.p50, summary.p95, summary.p99) == (50, 95, 99)


def test_the_order_of_answers_does_not_matter() -> None:
    assert latencies([3.0, 1.0, 2.0]) == latencies([1.0, 2.0, 3.0])


def test_no_answers_have_no_percentiles() -> None:
    with pytest.raises(ValueError, match="No answer"):
        latencies([])


def test_a_ratio_above_one_means_that_ours_is_ahead_whichever_way_is_better() -> None:
    assert ratio(200, 20, lower_is_better=True) == 10
    assert ratio(8, 80, lower_is_better=False) == 10


def test_all_cores_busy_with_nothing_else_are_the_whole_floor() -> None:
    most = 2 / FLOOR.cpu_seconds
    assert share_of_floor(most, FLOOR, cores=2) == pytest.approx(1)
    assert share_of_floor(most / 2, FLOOR, cores=2) == pytest.approx(0.5)
