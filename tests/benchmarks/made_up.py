"""Figures of contenders that never ran."""

from benchmarks.figures import Figures, Floor, Latencies, Phase


def made_up(times: float = 1.0) -> Figures:
    """Figures of one that is so many times slower and larger than the first."""
    alone = Phase(Latencies(20 * times, 25 * times, 30 * times), 50 / times, 0.02 * times)
    crowd = Phase(Latencies(100 * times, 150 * times, 200 * times), 80 / times, 0.025 * times)
    return Figures(0.5 * times, alone, crowd, 160 * times, 0.00001)


FLOOR = Floor(threads=2, p50_ms=16.0, cpu_seconds=0.02)
