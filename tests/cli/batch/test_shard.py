import json
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.cli.batch.shard import ShardScreening, part_path, read_part
from service.cli.batch.source import EmptySourceError, Unit, find_units, read_items
from service.cli.files import PICTURE_SUFFIXES
from tests.cli.batch.loading import load_fake
from tests.serving import radiograph

LIMIT = 1_000_000


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    (folder / "more").mkdir(parents=True)
    for seed in range(3):
        (folder / f"{seed}.png").write_bytes(radiograph(seed))
    (folder / "more" / "cut.png").write_bytes(radiograph(9)[:500])
    (folder / "more" / "empty.JPG").touch()
    (folder / "more" / "noise").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture by its name")
    (folder / ".hidden.png").write_bytes(radiograph())
    return folder


class TestSource:
    def test_a_folder_is_its_pictures_and_what_has_no_suffix(self, films: Path) -> None:
        units = find_units(str(films), PICTURE_SUFFIXES)
        names = [Path(unit.path).name for unit in units]
        assert names == ["0.png", "1.png", "2.png", "cut.png", "empty.JPG", "noise"]

    def test_a_pattern_and_a_file_name_themselves(self, films: Path) -> None:
        assert len(find_units(f"{films}/*.png", PICTURE_SUFFIXES)) >= 3
        assert find_units(f"{films}/notes.txt", PICTURE_SUFFIXES) == [Unit(f"{films}/notes.txt")]

    def test_an_object_store_is_read_by_its_uri(self) -> None:
        store = fsspec.filesystem("memory")
        store.pipe_file("/archive/a.png", radiograph())
        [unit] = find_units("memory://archive", PICTURE_SUFFIXES)
        [item] = read_items(unit, max_bytes=LIMIT)
        assert item.data == radiograph()

    def test_rows_of_parquet_are_films(self, tmp_path: Path) -> None:
        table = pa.table({"path": ["a", None, "c"], "bytes": [b"1", b"2", None]})
        pq.write_table(table, tmp_path / "films.parquet", row_group_size=2)
        units = find_units(str(tmp_path), PICTURE_SUFFIXES)
        assert [unit.row_group for unit in units] == [0, 1]
        items = [item for unit in units for item in read_items(unit, max_bytes=LIMIT)]
        assert [item.data for item in items] == [b"1", b"2", None]
        assert [item.path for item in items][::2] == ["a", "c"]

    @pytest.mark.parametrize("name", ["", "missing", "*.png"])
    def test_where_nothing_is_there_is_an_error(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(EmptySourceError):
            find_units(f"{tmp_path}/{name}", PICTURE_SUFFIXES)

    def test_a_unit_keeps_its_shard(self) -> None:
        shards = [Unit(f"/films/{n}.png").shard(7) for n in range(200)]
        assert shards == [Unit(f"/films/{n}.png").shard(7) for n in range(200)]
        assert set(shards) == set(range(7))


class TestShard:
    def screen(self, films: Path, out: Path, **model: Any) -> tuple[dict[str, int], list[Any]]:
        units = find_units(str(films), PICTURE_SUFFIXES)
        out.mkdir(exist_ok=True)
        shard = ShardScreening(lambda: load_fake(**model), out=str(out), shards=1, max_bytes=LIMIT)
        counts = shard.screen(0, units)
        return counts, read_part(part_path(str(out), 0, 1))

    def test_each_film_is_a_row_and_so_is_what_is_none(self, films: Path, tmp_path: Path) -> None:
        counts, rows = self.screen(films, tmp_path / "out")
        assert counts == {"rows": 6, "failed": 3, "kept": 0}
        told = {Path(row["path"]).name: row["error"] or row["predicted_class"] for row in rows}
        assert told["cut.png"] == "corrupt_image"
        assert told["empty.JPG"] == "empty_file"
        assert told["noise"] == "unsupported_format"
        assert told["0.png"] in {"NORMAL", "PNEUMONIA"}
        assert {row["model_digest"] for row in rows} == {"sha256:" + "d" * 64}
        assert all(len(row["sha256"]) == 64 for row in rows)

    def test_what_is_there_is_kept_and_what_failed_or_changed_is_screened(
        self, films: Path, tmp_path: Path
    ) -> None:
        _, before = self.screen(films, tmp_path / "out")
        (films / "0.png").write_bytes(radiograph(5))
        (films / "more" / "cut.png").write_bytes(radiograph(9))
        (films / "2.png").unlink()
        (films / "new.png").write_bytes(radiograph(7))
        counts, after = self.screen(films, tmp_path / "out")
        assert counts == {"rows": 6, "failed": 2, "kept": 1}
        rows = {Path(row["path"]).name: row for row in after}
        assert rows["1.png"] in before
        assert rows["0.png"]["sha256"] not in {row["sha256"] for row in before}
        assert "2.png" not in rows

    def test_the_same_again_writes_the_same(self, films: Path, tmp_path: Path) -> None:
        self.screen(films, tmp_path / "out")
        part = Path(part_path(str(tmp_path / "out"), 0, 1))
        content = part.read_bytes()
        self.screen(films, tmp_path / "out")
        assert part.read_bytes() == content
        assert [path.name for path in part.parent.iterdir()] == [part.name]

    def test_the_result_may_be_in_an_object_store(self, films: Path) -> None:
        out = "memory://verdicts"
        shard = ShardScreening(load_fake, out=out, shards=1, max_bytes=LIMIT)
        units = find_units(str(films), PICTURE_SUFFIXES)
        shard.screen(0, units)
        assert shard.screen(0, units) == {"rows": 6, "failed": 3, "kept": 3}
        assert len(read_part(part_path(out, 0, 1))) == 6

    def test_a_file_beyond_the_limit_is_a_row(self, films: Path, tmp_path: Path) -> None:
        (films / "huge.png").write_bytes(bytes(LIMIT + 1))
        counts, rows = self.screen(films, tmp_path / "out")
        assert counts["rows"] == 7
        assert json.dumps("too_large") in json.dumps([row["error"] for row in rows])
