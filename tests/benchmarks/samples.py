"""Sample figures."""

from benchmarks.figures import Figures, FloorComparison, Latencies, Phase


def sample_figures(times: float = 1.0) -> Figures:
    """Figures of a contender that is this many times slower and larger."""
    alone = Phase(Latencies(20 * times, 25 * times, 30 * times), 50 / times, 0.02 * times, 0.001)
    slower = Latencies(100 * times, 150 * times, 200 * times)
    crowd = Phase(slower, 80 / times, 0.025 * times, 0.001)
    return Figures(0.5 * times, alone, crowd, 160 * times, 0.00001)


COMPARISON = FloorComparison(
    floor_threads=2,
    floor_ms=16.0,
    floor_solo_cpu_s=0.015,
    floor_cpu_s=0.02,
    single_ms=20.0,
    per_second=80.0,
    cpu_s=0.025,
    client_cpu_s=0.005,
    rounds=4,
)
