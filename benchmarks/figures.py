"""The figures of a contender, and how they are computed from raw measurements."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Latencies:
    """Percentiles of the latency, in milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Phase:
    """A period of load with a fixed number of clients.

    Attributes:
        latencies: Latency of the answers.
        per_second: Answers per second.
        cpu_seconds: CPU seconds of the contender and its children per answer.
        client_cpu_seconds: CPU seconds of the client per answer.
    """

    latencies: Latencies
    per_second: float
    cpu_seconds: float
    client_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one contender.

    Attributes:
        first_answer_s: From the start of the process to its first verdict, in seconds.
        single: One client, which sends its next request after the answer to the last one.
        crowd: Eight such clients.
        memory_mib: Peak memory of the process and its children together, in MiB.
        difference: Largest difference of a probability from that of the bare loop.
    """

    first_answer_s: float
    single: Phase
    crowd: Phase
    memory_mib: float
    difference: float


@dataclass(frozen=True, slots=True)
class Turn:
    """The measurements of one contender in one of its turns.

    Attributes:
        single: One client.
        crowd: Eight clients.
        memory_mib: Peak memory, in MiB.
    """

    single: Phase
    crowd: Phase
    memory_mib: float


def summarise(starts: Sequence[float], turns: Sequence[Turn], difference: float) -> Figures:
    """Summarise the starts and turns of one contender: medians, and the peak of memory.

    A shared machine is slow for seconds or minutes at a time. Turns are short, so that this
    affects all contenders alike.

    Args:
        starts: Seconds to the first answer, at least one.
        turns: At least one.
        difference: See ``Figures``.
    """
    return Figures(
        first_answer_s=float(np.median(starts)),
        single=_median_phase([turn.single for turn in turns]),
        crowd=_median_phase([turn.crowd for turn in turns]),
        memory_mib=max(turn.memory_mib for turn in turns),
        difference=difference,
    )


def _median_phase(phases: Sequence[Phase]) -> Phase:
    def median(figure: Callable[[Phase], float]) -> float:
        return float(np.median([figure(phase) for phase in phases]))

    return Phase(
        Latencies(
            median(lambda phase: phase.latencies.p50),
            median(lambda phase: phase.latencies.p95),
            median(lambda phase: phase.latencies.p99),
        ),
        per_second=median(lambda phase: phase.per_second),
        cpu_seconds=median(lambda phase: phase.cpu_seconds),
        client_cpu_seconds=median(lambda phase: phase.client_cpu_seconds),
    )


@dataclass(frozen=True, slots=True)
class Floor:
    """A bare loop over the same radiographs, without HTTP.

    Attributes:
        solo_cpu_s: CPU seconds per radiograph of a loop with one engine thread while the other
            cores are idle.
        cpu_s: The same while such a loop runs on every core.
    """

    solo_cpu_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Round:
    """The bare loop and the service, one after the other.

    Attributes:
        floor: CPU time of the loop.
        loop_ms: Median milliseconds per radiograph in it, by number of engine threads.
        single_ms: Median milliseconds of an answer to one client.
        crowd: The service with eight clients.
    """

    floor: Floor
    loop_ms: Mapping[int, float]
    single_ms: float
    crowd: Phase


@dataclass(frozen=True, slots=True)
class FloorComparison:
    """The service compared to the bare loop: medians over rounds in which they take turns.

    Attributes:
        floor_threads: Engine threads of the loop: the number that was fastest over all rounds.
        floor_ms: Median milliseconds per radiograph in the loop.
        floor_solo_cpu_s: See ``Floor.solo_cpu_s``.
        floor_cpu_s: See ``Floor.cpu_s``.
        single_ms: Median milliseconds of an answer to one client.
        per_second: Answers per second to eight clients.
        cpu_s: CPU seconds per answer.
        client_cpu_s: CPU seconds of the client per answer.
        rounds: Number of rounds.
    """

    floor_threads: int
    floor_ms: float
    floor_solo_cpu_s: float
    floor_cpu_s: float
    single_ms: float
    per_second: float
    cpu_s: float
    client_cpu_s: float
    rounds: int


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """Memory of the service after a few and after many requests, in MiB."""

    few: int
    few_mib: float
    many: int
    many_mib: float


def latencies(milliseconds: Sequence[float]) -> Latencies:
    """Percentiles of latencies.

    Raises:
        ValueError: There are no latencies.
    """
    if not milliseconds:
        raise ValueError("No answer was timed.")
    p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99])
    return Latencies(float(p50), float(p95), float(p99))


def ratio(theirs: float, ours: float, *, lower_is_better: bool) -> float:
    """How many times better ours is: above 1 ours is better, below 1 worse."""
    return theirs / ours if lower_is_better else ours / theirs


def compare_to_floor(rounds: Sequence[Round]) -> FloorComparison:
    """The median of each figure over the rounds."""

    def median(figure: Callable[[Round], float]) -> float:
        return float(np.median([figure(each) for each in rounds]))

    # Over all rounds: choosing the best of each round would favour the loop by chance.
    floor_ms = {
        threads: float(np.median([each.loop_ms[threads] for each in rounds]))
        for threads in rounds[0].loop_ms
    }
    floor_threads = min(floor_ms, key=lambda threads: floor_ms[threads])
    return FloorComparison(
        floor_threads=floor_threads,
        floor_ms=floor_ms[floor_threads],
        floor_solo_cpu_s=median(lambda each: each.floor.solo_cpu_s),
        floor_cpu_s=median(lambda each: each.floor.cpu_s),
        single_ms=median(lambda each: each.single_ms),
        per_second=median(lambda each: each.crowd.per_second),
        cpu_s=median(lambda each: each.crowd.cpu_seconds),
        client_cpu_s=median(lambda each: each.crowd.client_cpu_seconds),
        rounds=len(rounds),
    )


def share_of_floor(per_second: float, floor_cpu_s: float, cores: float) -> float:
    """Answers per second as a fraction of what the cores could do without HTTP, 0 to 1."""
    return per_second * floor_cpu_s / cores
