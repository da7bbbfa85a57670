"""What is measured of a contender, and how figures are made of raw observations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long answers took, in milliseconds.

    Attributes:
        p50: Half of the answers were at least as fast.
        p95: 95 of 100 were.
        p99: 99 of 100 were.
    """

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of load with a fixed number of clients.

    Attributes:
        latencies: Of its answers.
        per_second: Answers for each second.
        cpu_seconds: Processor seconds of the contender for each answer, children included.
        client_cpu_seconds: Processor seconds of the client for each answer.
    """

    latencies: Latencies
    per_second: float
    cpu_seconds: float
    client_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one contender.

    Attributes:
        first_answer_s: From the start of the process to its first verdict, in seconds.
        alone: One client, whose next request follows the answer to the one before.
        crowd: Eight such clients.
        memory_mib: Most memory of the process and its children together, in MiB.
        difference: Largest distance of a probability from that of the bare loop.
    """

    first_answer_s: float
    alone: Phase
    crowd: Phase
    memory_mib: float
    difference: float


@dataclass(frozen=True, slots=True)
class Turn:
    """What was measured of one contender in one of its turns.

    Attributes:
        alone: One client.
        crowd: Eight.
        memory_mib: Most memory, in MiB.
    """

    alone: Phase
    crowd: Phase
    memory_mib: float


def typical(starts: Sequence[float], turns: Sequence[Turn], difference: float) -> Figures:
    """One contender's figures from its starts and its turns: medians, and of memory the most.

    A machine that others share is slow for seconds or minutes at a time. The contenders' turns are
    short, so that all of them see the same of it.

    Args:
        starts: Seconds to the first answer, at least one.
        turns: At least one.
        difference: See ``Figures``.
    """
    return Figures(
        first_answer_s=float(np.median(starts)),
        alone=_typical_phase([turn.alone for turn in turns]),
        crowd=_typical_phase([turn.crowd for turn in turns]),
        memory_mib=max(turn.memory_mib for turn in turns),
        difference=difference,
    )


def _typical_phase(phases: Sequence[Phase]) -> Phase:
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
    """A bare loop over the same radiographs: decode, prepare, score; no HTTP.

    Attributes:
        lone_cpu_s: Processor seconds for each radiograph, of a loop with one engine thread while
            the other cores have nothing to do.
        cpu_s: The same while a loop like it runs on each of the other cores.
    """

    lone_cpu_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Round:
    """The bare loop and the service, one right after the other.

    Attributes:
        floor: What the loop takes of the processor.
        loop_ms: Median milliseconds of one radiograph in it, for each number of engine threads.
        alone_ms: Median milliseconds of an answer to one client.
        crowd: The service with eight.
    """

    floor: Floor
    loop_ms: Mapping[int, float]
    alone_ms: float
    crowd: Phase


@dataclass(frozen=True, slots=True)
class Beside:
    """The service beside the bare loop: medians over rounds in which they take turns.

    Attributes:
        floor_threads: Engine threads of the loop: as many as served it best in all rounds together.
        floor_ms: Median milliseconds of one radiograph in the loop.
        floor_lone_cpu_s: See ``Floor.lone_cpu_s``.
        floor_cpu_s: See ``Floor.cpu_s``.
        alone_ms: Median milliseconds of an answer to one client.
        per_second: Answers for each second to eight clients.
        cpu_s: Processor seconds of one of those answers.
        client_cpu_s: Processor seconds that the client took for it.
        rounds: How many.
    """

    floor_threads: int
    floor_ms: float
    floor_lone_cpu_s: float
    floor_cpu_s: float
    alone_ms: float
    per_second: float
    cpu_s: float
    client_cpu_s: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Memory of the service after a few and after many requests, in MiB."""

    few: int
    few_mib: float
    many: int
    many_mib: float


def latencies(milliseconds: Sequence[float]) -> Latencies:
    """Summarise the times of single answers.

    Raises:
        ValueError: There are none.
    """
    if not milliseconds:
        raise ValueError("No answer was timed.")
    p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99])
    return Latencies(float(p50), float(p95), float(p99))


def ratio(theirs: float, ours: float, *, lower_is_better: bool) -> float:
    """How many times better ours is: above 1 ours is ahead, below 1 it is behind."""
    return theirs / ours if lower_is_better else ours / theirs


def beside(rounds: Sequence[Round]) -> Beside:
    """Take each figure's median over the rounds: a slow minute of the machine falls on both."""

    def median(figure: Callable[[Round], float]) -> float:
        return float(np.median([figure(each) for each in rounds]))

    # By all rounds together: the better count of each round would be the luckier one.
    floor_ms = {
        threads: float(np.median([each.loop_ms[threads] for each in rounds]))
        for threads in rounds[0].loop_ms
    }
    floor_threads = min(floor_ms, key=lambda threads: floor_ms[threads])
    return Beside(
        floor_threads=floor_threads,
        floor_ms=floor_ms[floor_threads],
        floor_lone_cpu_s=median(lambda each: each.floor.lone_cpu_s),
        floor_cpu_s=median(lambda each: each.floor.cpu_s),
        alone_ms=median(lambda each: each.alone_ms),
        per_second=median(lambda each: each.crowd.per_second),
        cpu_s=median(lambda each: each.crowd.cpu_seconds),
        client_cpu_s=median(lambda each: each.crowd.client_cpu_seconds),
        rounds=len(rounds),
    )


def share_of_floor(per_second: float, floor_cpu_s: float, cores: float) -> float:
    """Answers for each second as a share of what the cores could do without HTTP, 0 to 1."""
    return per_second * floor_cpu_s / cores
