"""Figures that nobody measured."""

from benchmarks.figures import Latencies, MemoryGrowth
from benchmarks.scale.cluster import ClusterFigures
from benchmarks.scale.neighbours import NeighbourFigures, Situation
from benchmarks.scale.sizing import Size
from tests.benchmarks.samples import sample_figures

CLUSTER = ClusterFigures(
    films=2000,
    film_bytes=400_000,
    row_bytes=100,
    rounds=2,
    cli_per_s=21,
    one_per_s=18,
    two_per_s=33,
    start_s=5,
    one_steady_per_s=20,
    two_steady_per_s=38,
    repeat_per_s=500,
    worker_mib=200,
    node_mib=500,
    head_mib=300,
)

NEIGHBOURS = NeighbourFigures(
    limit_per_s=5,
    pace_per_s=4,
    flooding=32,
    seconds=30,
    alone=Situation(Latencies(31, 41, 51), 120, 0, {}, 0.11),
    limited=Situation(Latencies(32, 42, 52), 120, 0, {"200": 5, "429": 32}, 0.25),
    unlimited=Situation(Latencies(310, 410, 510), 20, 100, {"200": 30, "503": 900}, 1.0),
)

SIZES = [
    Size(1, sample_figures(), MemoryGrowth(500, 250, 5000, 260)),
    Size(2, sample_figures(2), MemoryGrowth(500, 270, 5000, 280)),
]
