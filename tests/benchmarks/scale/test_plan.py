import pytest

from benchmarks.scale.plan import Prices, Scenario, efficiency, plan, plans
from tests.benchmarks.scale.samples import CLUSTER


def test_one_core_takes_as_long_as_it_did() -> None:
    one = plan(CLUSTER, Scenario("x", nodes=1, cores=1), films=72_000, films_per_shard=64)
    assert one.films_per_s == 20
    assert one.hours == pytest.approx(1, abs=0.01)
    assert one.core_hours == one.hours
    assert one.lost_s == 64 / 20
    assert one.read_mb_per_s == pytest.approx(20 * 0.4)


def test_more_cores_lose_what_two_lost_and_slow_ones_take_longer() -> None:
    assert efficiency(CLUSTER) == 0.95
    eight = plan(CLUSTER, Scenario("x", nodes=2, cores=4), films=1_000_000, films_per_shard=245)
    assert eight.films_per_s == pytest.approx(20 * 8 * 0.95)
    slow = plan(
        CLUSTER, Scenario("x", nodes=2, cores=4, speed=0.5), films=1_000_000, films_per_shard=245
    )
    assert slow.hours == pytest.approx(2 * eight.hours)
    assert slow.lost_s == 2 * eight.lost_s


def test_memory_and_money() -> None:
    prices = Prices(core_hour_usd=0.1, watts_per_core=10, kwh_usd=0.5)
    found = plan(CLUSTER, Scenario("x", nodes=2, cores=4), 1_000_000, 245, prices)
    assert found.node_gib == pytest.approx((500 + 4 * 200) / 1024)
    assert found.head_gib == pytest.approx((500 + 4 * 200 + 300) / 1024)
    assert found.rent_usd == pytest.approx(0.1 * found.core_hours)
    assert found.power_usd == pytest.approx(found.core_hours * 0.01 * 0.5)


def test_each_scenario_has_its_plan() -> None:
    found = plans(CLUSTER, 1_000_000, 245)
    assert [each.scenario.nodes * each.scenario.cores for each in found] == [2, 8, 16]
    assert [each.hours for each in found] == sorted((each.hours for each in found), reverse=True)
