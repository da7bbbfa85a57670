import pytest

from benchmarks.figures import (
    Floor,
    Round,
    Turn,
    compare_to_floor,
    latencies,
    ratio,
    share_of_floor,
    summarise,
)
from tests.benchmarks.samples import sample_figures


def test_percentiles_match_the_latencies() -> None:
    summary = latencies([float(number) for number in range(101)])
    assert (summary.p50, summary.p95, summary.p99) == (50, 95, 99)


def test_the_order_of_answers_does_not_matter() -> None:
    assert latencies([3.0, 1.0, 2.0]) == latencies([1.0, 2.0, 3.0])


def test_no_answers_have_no_percentiles() -> None:
    with pytest.raises(ValueError, match="No answer"):
        latencies([])


def test_a_ratio_above_one_means_that_ours_is_better() -> None:
    assert ratio(200, 20, lower_is_better=True) == 10
    assert ratio(8, 80, lower_is_better=False) == 10


def test_all_cores_busy_with_nothing_else_are_the_whole_floor() -> None:
    assert share_of_floor(100, 0.02, cores=2) == pytest.approx(1)
    assert share_of_floor(50, 0.02, cores=2) == pytest.approx(0.5)


def test_one_slow_round_does_not_change_the_result() -> None:
    rounds = [
        Round(
            Floor(0.015 * slow, 0.02 * slow),
            {1: 18 * slow, 2: 16 * slow},
            sample_figures(slow).single.latencies.p50,
            sample_figures(slow).crowd,
        )
        for slow in (1.0, 5.0, 1.0)
    ]
    seen = compare_to_floor(rounds)
    assert (seen.floor_threads, seen.floor_ms) == (2, 16)
    assert (seen.floor_solo_cpu_s, seen.floor_cpu_s) == (0.015, 0.02)
    assert (seen.single_ms, seen.per_second, seen.cpu_s, seen.rounds) == (20, 80, 0.025, 3)


def test_the_fastest_number_of_threads_over_all_rounds_is_used() -> None:
    it = sample_figures()
    rounds = [
        Round(Floor(0.015, 0.02), {1: one, 2: two}, it.single.latencies.p50, it.crowd)
        for one, two in ((15.0, 18.0), (19.0, 16.0), (19.0, 16.0))
    ]
    seen = compare_to_floor(rounds)
    assert (seen.floor_threads, seen.floor_ms) == (2, 16)


def test_one_slow_turn_does_not_change_the_result() -> None:
    usual, slow = sample_figures(1.0), sample_figures(5.0)
    turns = [Turn(it.single, it.crowd, it.memory_mib) for it in (usual, slow, usual)]
    seen = summarise([0.5, 2.5, 0.5], turns, 0.25)
    assert (seen.single, seen.crowd) == (usual.single, usual.crowd)
    assert (seen.first_answer_s, seen.difference) == (0.5, 0.25)
    assert seen.memory_mib == slow.memory_mib
