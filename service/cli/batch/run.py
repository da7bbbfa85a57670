"""A run: the plan of its shards, and Ray, which has the cluster's processors screen them.

A shard is a task of Ray: it has the model in the process that a processor keeps for such tasks,
is done again where a node or a process dies, and makes a cluster that can grow do so. Ray Data
would run the same shards, with three actors and a loop of its own beside them: on one core these
took a seventh of the time, and doubled the start.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Final
from uuid import uuid4

import fsspec
import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayTaskError,
    WorkerCrashedError,
)

from service.cli.batch.shard import ShardScreening, part_path, write_whole
from service.cli.batch.sharding import shard_count
from service.cli.batch.source import Unit
from service.screening.screen import Screening

PLAN_FILE: Final = "plan.json"

RETRIES: Final = 3
"""How often a shard is screened again whose node or process died. What Ray ends because a node has
no memory left it tries again without end, unless ``task_oom_retries`` of the cluster says less."""

_DEATHS: Final = (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    WorkerCrashedError,
)


@dataclass(frozen=True, slots=True)
class Totals:
    """Films of a run.

    Attributes:
        rows: All of them.
        failed: Those without a verdict.
        kept: Those whose verdict was there from an earlier run.
        lost: Beside these, films of shards that were given up; rows of an earlier run stay.
    """

    rows: int = 0
    failed: int = 0
    kept: int = 0
    lost: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Totals(*(one + another for one, another in pairs))


@dataclass(frozen=True, slots=True)
class Job:
    """What all shards of a run have in common.

    Attributes:
        name: Of the run; no other has it.
        load: Loads the model.
        out: Folder or URI of the parts.
        shards: How many there are.
        max_bytes: Largest file that is read.
    """

    name: str
    load: Callable[[], Screening]
    out: str
    shards: int
    max_bytes: int


def connect(address: str) -> None:
    """Start a cluster on this machine (``local``), or join one.

    Args:
        address: ``local``, or the address of a head node.

    Raises:
        ConnectionError: There is no cluster at the address.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would report to its makers
    ray.init(
        address=address,
        include_dashboard=False if address == "local" else None,
        log_to_driver=False,
        logging_level="error",
    )


def screen_units(
    units: Sequence[Unit],
    out: str,
    load: Callable[[], Screening],
    *,
    max_bytes: int,
    films_per_shard: int | None = None,
    progress: Callable[[float, Totals], None] = lambda *_: None,
) -> Totals:
    """Screen films into a folder of Parquet, on the cluster that is connected.

    The same call again completes a run that ended early, takes up what is new, and drops what is no
    longer there. As many shards are screened at once as the cluster has processors. One whose
    process or node died ``RETRIES`` times more is given up, and the others go on.

    Args:
        units: What ``find_units`` found in a source; not empty.
        out: Folder or URI that every node reaches.
        load: Loads the model; called once for each processor.
        max_bytes: Largest file that is read.
        films_per_shard: About how many films a shard has, if not as many as ``sharding`` says; the
            first run decides.
        progress: Called after each shard with the share that is done and the films so far.

    Raises:
        OSError: The folder cannot be used.
        BundleError: A node cannot load the model.
    """
    shards = _plan(out, shard_count(sum(unit.films for unit in units), films_per_shard))
    by_shard: defaultdict[int, list[Unit]] = defaultdict(list)
    for unit in units:
        by_shard[unit.shard(shards)].append(unit)
    _drop_empty(out, shards, by_shard)
    job = Job(uuid4().hex, load, out, shards, max_bytes)
    tasks = {_screen.remote(job, n, members): members for n, members in sorted(by_shard.items())}
    waiting, totals = list(tasks), Totals()
    try:
        while waiting:
            [done], waiting = ray.wait(waiting)
            totals += _outcome(done, tasks[done])
            progress((len(tasks) - len(waiting)) / len(tasks), totals)
    finally:
        for task in waiting:  # after an error or an interrupt
            ray.cancel(task)
    return totals


def _outcome(task: "ray.ObjectRef", units: Sequence[Unit]) -> Totals:
    try:
        return Totals(**ray.get(task))
    except RayTaskError as error:
        raise error.cause from error  # as it was raised there
    except _DEATHS:
        return Totals(lost=sum(unit.films for unit in units))


_screenings: dict[str, ShardScreening] = {}
"""What screens the shards of a run in this process, by the run's name: the latest run's only."""


@ray.remote(num_cpus=1, max_retries=RETRIES)  # type: ignore[untyped-decorator]
def _screen(job: Job, number: int, units: Sequence[Unit]) -> dict[str, int]:
    if job.name not in _screenings:
        _screenings.clear()
        _screenings[job.name] = ShardScreening(
            job.load, out=job.out, shards=job.shards, max_bytes=job.max_bytes
        )
    return _screenings[job.name].screen(number, units)


def _plan(out: str, shards: int) -> int:
    """How many shards there are: as many as the first run made, so that each keeps its films."""
    path = f"{out.rstrip('/')}/{PLAN_FILE}"
    files, inner = fsspec.core.url_to_fs(path)
    if files.exists(inner):
        return int(json.loads(files.cat_file(inner))["shards"])
    files.makedirs(inner.rpartition("/")[0], exist_ok=True)
    write_whole(path, json.dumps({"shards": shards}).encode())
    return shards


def _drop_empty(out: str, shards: int, by_shard: Mapping[int, Sequence[Unit]]) -> None:
    """Remove the parts of shards whose films are all gone."""
    files, _ = fsspec.core.url_to_fs(out)
    for number in set(range(shards)) - set(by_shard):
        _, inner = fsspec.core.url_to_fs(part_path(out, number, shards))
        if files.exists(inner):
            files.rm(inner)
