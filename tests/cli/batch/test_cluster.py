"""A Ray cluster of several nodes, one of which is killed in the middle."""

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import ray
from ray.cluster_utils import Cluster

from service.cli.batch import run
from service.cli.batch.command import find_units
from service.inference import BundleError
from tests.cli.batch.loading import DEADLY, load_fake, load_mortal, load_nothing
from tests.serving import ROOT, radiograph

# Ray leaves sockets for the collector of garbage to close, and uses what is deprecated.
pytestmark = pytest.mark.filterwarnings("ignore")

FILMS = 120
DAMAGED = 6


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    memory = {"object_store_memory": 80 * 1024 * 1024}
    nodes = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, **memory},
    )
    nodes.workers = [nodes.add_node(num_cpus=1, **memory) for _ in range(2)]
    nodes.wait_for_nodes()
    yield nodes
    ray.shutdown()
    nodes.shutdown()


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for seed in range(FILMS):
        damaged = seed % (FILMS // DAMAGED) == 3
        content = radiograph(seed % 7)
        (folder / f"{seed:04d}.png").write_bytes(content[:200] if damaged else content)
    return folder


def rows_of(out: Path) -> list[Any]:
    rows: list[Any] = []
    for part in sorted(out.glob("part-*.parquet")):
        rows.extend(pq.read_table(part).to_pylist())
    return rows


@pytest.mark.timeout(280)
def test_a_node_that_is_killed_costs_no_film(cluster: Any, films: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "out", tmp_path / "seen"
    seen.mkdir()
    run.connect(cluster.address)
    killed, shares = False, list[float]()

    def kill_a_node_at_work(share: float, _: run.Totals) -> None:
        nonlocal killed
        shares.append(share)
        if share >= 0.3 and not killed:
            killed = True
            at_work = {path.name.split(".")[0] for path in seen.iterdir()}
            node = next(node for node in cluster.workers if node.node_id in at_work)
            cluster.remove_node(node, allow_graceful=False)

    def screen(load: Any, **options: Any) -> run.Totals:
        units = find_units(str(films))
        return run.screen_units(
            units, str(out), load, max_bytes=1_000_000, films_per_shard=5, **options
        )

    totals = screen(partial(load_fake, delay_s=0.05, seen=str(seen)), progress=kill_a_node_at_work)
    assert killed
    assert shares == [done / len(shares) for done in range(1, len(shares) + 1)]
    assert (totals.rows, totals.failed, totals.kept) == (FILMS, DAMAGED, 0)
    rows = rows_of(out)
    assert Counter(row["path"] for row in rows) == Counter(str(path) for path in films.iterdir())
    assert sum(row["error"] == "corrupt_image" for row in rows) == DAMAGED
    assert len({path.name.split(".")[0] for path in seen.iterdir()}) == 2  # both nodes worked
    processes = [path.stem for path in seen.iterdir()]
    assert len(processes) == len(set(processes))  # none loaded the model for each shard anew

    (films / "new.png").write_bytes(radiograph(8))
    (films / "0000.png").unlink()
    totals = screen(load_fake)
    assert totals.kept == FILMS - DAMAGED - 1
    assert Counter(row["path"] for row in rows_of(out)) == Counter(map(str, films.iterdir()))


@pytest.mark.timeout(280)
def test_a_film_that_kills_what_screens_it_costs_its_shard_only(
    cluster: Any, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (films / "0050.png").write_bytes(DEADLY)
    run.connect(cluster.address)
    units = find_units(str(films))
    totals = run.screen_units(units, str(out), load_mortal, max_bytes=1_000_000, films_per_shard=5)
    shards = json.loads((out / run.PLAN_FILE).read_text())["shards"]
    [deadly] = [unit.shard(shards) for unit in units if unit.path.endswith("0050.png")]
    spared = {unit.path for unit in units if unit.shard(shards) != deadly}
    assert {row["path"] for row in rows_of(out)} == spared
    assert (totals.rows, totals.lost) == (len(spared), FILMS - len(spared))


@pytest.mark.timeout(280)
def test_a_model_that_a_node_cannot_load_is_told_as_it_was_there(
    cluster: Any, films: Path, tmp_path: Path
) -> None:
    run.connect(cluster.address)
    units = find_units(str(films))
    with pytest.raises(BundleError, match=r"^The models folder does not exist"):
        run.screen_units(units, str(tmp_path / "out"), load_nothing, max_bytes=1_000_000)
