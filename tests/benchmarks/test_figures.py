import pytest

from benchmarks.figures import (
    Floor,
    Round,
    Turn,
    beside,
    latencies,
    ratio,
    share_of_floor,
    typical,
)
from tests.benchmarks.made_up import made_up


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
    assert share_of_floor(100, 0.02, cores=2) == pytest.approx(1)
    assert share_of_floor(50, 0.02, cores=2) == pytest.approx(0.5)


def test_a_round_that_the_machine_slowed_down_does_not_decide() -> None:
    rounds = [
        Round(
            Floor(0.015 * slow, 0.02 * slow),
            {1: 18 * slow, 2: 16 * slow},
            made_up(slow).alone.latencies.p50,
            made_up(slow).crowd,
        )
        for slow in (1.0, 5.0, 1.0)
    ]
    seen = beside(rounds)
    assert (seen.floor_threads, seen.floor_ms) == (2, 16)
    assert (seen.floor_lone_cpu_s, seen.floor_cpu_s) == (0.015, 0.02)
    assert (seen.alone_ms, seen.per_second, seen.cpu_s, seen.rounds) == (20, 80, 0.025, 3)


def test_the_loop_has_as_many_threads_as_serve_it_best_over_all_rounds() -> None:
    it = made_up()
    rounds = [
        Round(Floor(0.015, 0.02), {1: one, 2: two}, it.alone.latencies.p50, it.crowd)
        for one, two in ((15.0, 18.0), (19.0, 16.0), (19.0, 16.0))
    ]
    seen = beside(rounds)
    assert (seen.floor_threads, seen.floor_ms) == (2, 16)


def test_a_turn_that_the_machine_slowed_down_does_not_decide() -> None:
    usual, slow = made_up(1.0), made_up(5.0)
    turns = [Turn(it.alone, it.crowd, it.memory_mib) for it in (usual, slow, usual)]
    seen = typical([0.5, 2.5, 0.5], turns, 0.25)
    assert (seen.alone, seen.crowd) == (usual.alone, usual.crowd)
    assert (seen.first_answer_s, seen.difference) == (0.5, 0.25)
    assert seen.memory_mib == slow.memory_mib
