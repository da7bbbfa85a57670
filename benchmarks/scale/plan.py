"""A plan for a large archive, computed from what two nodes of one core did.

What is assumed and not measured is in ``ASSUMED`` and in the scenarios, and is said beside the
plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.scale.cluster import ClusterFigures

MIB_PER_GIB: Final = 1024
SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Scenario:
    """Machines that screen an archive.

    Attributes:
        key: Names it in the texts of the documents.
        nodes: Machines.
        cores: Cores of each.
        speed: Speed of a core, against the one of the measurement: an assumption.
    """

    key: str
    nodes: int
    cores: int
    speed: float = 1.0


SCENARIOS: Final = (
    Scenario("old_pc", nodes=1, cores=2, speed=0.5),
    Scenario("server", nodes=1, cores=8),
    Scenario("cluster_16", nodes=4, cores=4),
)


@dataclass(frozen=True, slots=True)
class Prices:
    """What work costs: a site puts in its own.

    Attributes:
        core_hour_usd: A rented core, for an hour.
        watts_per_core: What a core of one's own takes at work.
        kwh_usd: Its electricity.
    """

    core_hour_usd: float = 0.05
    watts_per_core: float = 15.0
    kwh_usd: float = 0.20


ASSUMED: Final = Prices()


@dataclass(frozen=True, slots=True)
class Plan:
    """What an archive takes on the machines of a scenario.

    Attributes:
        scenario: The machines.
        films_per_s: In all.
        hours: From start to end.
        core_hours: Of all cores.
        rent_usd: If the cores are rented.
        power_usd: Electricity, if they are one's own.
        node_gib: Memory of each node; the head's takes what is named beside it more.
        head_gib: Memory of the head's node.
        read_mb_per_s: What the archive's disk or network has to deliver.
        repeat_hours: The same command again, when nothing is new.
        lost_s: Seconds of work that a node which fails takes with it, at most.
    """

    scenario: Scenario
    films_per_s: float
    hours: float
    core_hours: float
    rent_usd: float
    power_usd: float
    node_gib: float
    head_gib: float
    read_mb_per_s: float
    repeat_hours: float
    lost_s: float


def efficiency(figures: ClusterFigures) -> float:
    """Films per second of two nodes against twice those of one, at most 1."""
    return min(1.0, figures.two_steady_per_s / (2 * figures.one_steady_per_s))


def plan(
    figures: ClusterFigures,
    scenario: Scenario,
    films: int,
    films_per_shard: int,
    prices: Prices = ASSUMED,
) -> Plan:
    """Compute a plan.

    A core does what one node of one core did, less what two nodes lost against twice one.

    Args:
        figures: What was measured.
        scenario: The machines.
        films: Films of the archive.
        films_per_shard: Films of each shard.
        prices: What work costs.
    """
    cores = scenario.nodes * scenario.cores
    share = efficiency(figures) if cores > 1 else 1.0
    per_core = figures.one_steady_per_s * scenario.speed
    rate = per_core * cores * share
    hours = (figures.start_s / scenario.speed + films / rate) / SECONDS_PER_HOUR
    core_hours = hours * cores
    node_mib = figures.node_mib + scenario.cores * figures.worker_mib
    repeat_per_s = figures.repeat_per_s * scenario.speed * cores * share
    return Plan(
        scenario=scenario,
        films_per_s=rate,
        hours=hours,
        core_hours=core_hours,
        rent_usd=core_hours * prices.core_hour_usd,
        power_usd=core_hours * prices.watts_per_core / 1000 * prices.kwh_usd,
        node_gib=node_mib / MIB_PER_GIB,
        head_gib=(node_mib + figures.head_mib) / MIB_PER_GIB,
        read_mb_per_s=rate * figures.film_bytes / 1e6,
        repeat_hours=films / repeat_per_s / SECONDS_PER_HOUR,
        lost_s=films_per_shard / per_core,
    )


def plans(figures: ClusterFigures, films: int, films_per_shard: int) -> Sequence[Plan]:
    """The plan of each scenario."""
    return [plan(figures, scenario, films, films_per_shard) for scenario in SCENARIOS]
