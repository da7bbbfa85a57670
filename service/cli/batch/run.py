"""A run: the plan of its shards, and Ray Data, which brings them to actors and back."""

import json
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import fsspec
import ray
import ray.data

from service.cli.batch.shard import ShardScreening, part_path, write_whole
from service.cli.batch.sharding import shard_count
from service.cli.batch.source import Unit
from service.screening.screen import Screening

PLAN_FILE: Final = "plan.json"


@dataclass(frozen=True, slots=True)
class Totals:
    """Films of a run.

    Attributes:
        rows: All of them.
        failed: Those without a verdict.
        kept: Those whose verdict was there from an earlier run.
    """

    rows: int = 0
    failed: int = 0
    kept: int = 0


def connect(address: str) -> None:
    """Start a cluster on this machine (``local``), or join one.

    Args:
        address: ``local``, or the address of a head node.

    Raises:
        ConnectionError: There is no cluster at the address.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would report to its makers
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    # It warns that the progress bars below are off.
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
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
    longer there. Actors are as many as the cluster has processors, and become more with it.

    Args:
        units: What ``find_units`` found in a source; not empty.
        out: Folder or URI that every node reaches.
        load: Loads the model; called in each actor.
        max_bytes: Largest file that is read.
        films_per_shard: About how many films a shard has, if not as many as ``sharding`` says; the
            first run decides.
        progress: Called after each shard with the share that is done and the films so far.

    Raises:
        OSError: The folder cannot be used.
    """
    shards = _plan(out, shard_count(sum(unit.films for unit in units), films_per_shard))
    by_shard: defaultdict[int, list[Unit]] = defaultdict(list)
    for unit in units:
        by_shard[unit.shard(shards)].append(unit)
    _drop_empty(out, shards, by_shard)
    rows = [
        {"shard": number, "units": json.dumps([(unit.path, unit.row_group) for unit in members])}
        for number, members in sorted(by_shard.items())
    ]
    outcomes = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        ShardScreening,
        fn_constructor_args=(load,),
        fn_constructor_kwargs={"out": out, "shards": shards, "max_bytes": max_bytes},
        batch_size=1,
        batch_format="numpy",
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(min_size=1),
    )
    totals = Totals()
    for done, outcome in enumerate(outcomes.iter_rows(), start=1):
        totals = Totals(**{name: int(outcome[name]) + n for name, n in asdict(totals).items()})
        progress(done / len(rows), totals)
    return totals


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
