import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.cli.batch.command import find_units
from service.cli.batch.shard import ShardScreening, part_path, read_part
from service.cli.batch.sharding import films_per_shard, shard_count
from service.cli.batch.source import Unit, read_items
from service.cli.errors import CommandError
from tests.cli.batch.loading import load_fake
from tests.dicom_files import dicom
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
    (folder / "more" / "noise.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture by its name")
    (folder / ".hidden.png").write_bytes(radiograph())
    return folder


class TestSource:
    def test_a_folder_is_its_pictures_by_name_or_by_content(self, films: Path) -> None:
        (films / "more" / "IM000001").write_bytes(radiograph(4))
        units = find_units(str(films))
        names = [Path(unit.path).name for unit in units]
        assert names == ["0.png", "1.png", "2.png", "IM000001", "cut.png", "empty.JPG", "noise.png"]

    def test_odd_folders_are_searched_once_and_to_the_end(self, films: Path) -> None:
        (films / "more" / "back").symlink_to(films)
        (films / "lost.png").symlink_to(films / "nowhere")
        os.mkfifo(films / "pipe.png")
        broken = films / "broken.parquet"
        broken.write_bytes(b"PAR1")
        odd = films / "a [b] :: c"
        odd.mkdir()
        (odd / "line\nbreak.png").write_bytes(radiograph())
        Path(os.fsdecode(bytes(odd) + b"/\xff.png")).write_bytes(radiograph())
        paths = [Path(unit.path) for unit in find_units(str(films))]
        assert len({path.resolve() for path in paths}) == len(paths) == 11
        assert len(find_units(str(odd))) == 2  # no pattern, since it is there
        assert len(find_units(f"{films}/[0-9].png")) == 3

    def test_a_result_within_the_source_is_no_source(self, films: Path) -> None:
        out = films / "verdicts"
        out.mkdir()
        before = find_units(str(films))
        ShardScreening(load_fake, out=str(out), shards=1, max_bytes=LIMIT).screen(0, before)
        assert list(out.glob("*.parquet"))
        assert find_units(str(films), str(out)) == before

    def test_a_result_within_an_object_store_is_no_source(self) -> None:
        store = fsspec.filesystem("memory")
        store.pipe_file("/both/a.png", radiograph())
        store.pipe_file("/both/out/part-00000-of-00001.parquet", b"PAR1")
        units = find_units("memory://both", "memory://both/out")
        assert [unit.path for unit in units] == ["memory:///both/a.png"]

    def test_a_pattern_and_a_file_name_themselves(self, films: Path) -> None:
        assert len(find_units(f"{films}/*.png")) >= 3
        assert find_units(f"{films}/notes.txt") == [Unit(f"{films}/notes.txt")]

    def test_an_object_store_is_read_by_its_uri(self) -> None:
        store = fsspec.filesystem("memory")
        store.pipe_file("/archive/a.png", radiograph())
        [unit] = find_units("memory://archive")
        [item] = read_items(unit, max_bytes=LIMIT)
        assert item.data == radiograph()

    def test_rows_of_parquet_are_films(self, tmp_path: Path) -> None:
        table = pa.table({"path": ["a", None, "c"], "bytes": [b"1", b"2", None]})
        pq.write_table(table, tmp_path / "films.parquet", row_group_size=2)
        units = find_units(str(tmp_path))
        assert [(unit.row_group, unit.films) for unit in units] == [(0, 2), (1, 1)]
        items = [item for unit in units for item in read_items(unit, max_bytes=LIMIT)]
        assert [item.data for item in items] == [b"1", b"2", None]
        assert [item.path for item in items][::2] == ["a", "c"]

    def test_parquet_of_another_kind_is_rows_with_errors(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"bytes": [1, 2], "path": [3, 4]}), tmp_path / "numbers.parquet")
        pq.write_table(pa.table({"film": [b"1"]}), tmp_path / "other.parquet")
        (tmp_path / "cut.parquet").write_bytes(b"PAR1")
        units = find_units(str(tmp_path))
        shard = ShardScreening(load_fake, out=str(tmp_path / "out"), shards=1, max_bytes=LIMIT)
        (tmp_path / "out").mkdir()
        assert shard.screen(0, units) == {"rows": 4, "failed": 4, "kept": 0}
        rows = read_part(part_path(str(tmp_path / "out"), 0, 1))
        errors = Counter(row["error"] for row in rows)
        assert errors == {"unreadable_file": 3, "unsupported_format": 1}

    @pytest.mark.parametrize("name", ["", "missing", "*.png"])
    def test_where_nothing_is_there_is_an_error(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(CommandError):
            find_units(f"{tmp_path}/{name}")

    def test_a_unit_keeps_its_shard(self) -> None:
        shards = [Unit(f"/films/{n}.png").shard(7) for n in range(200)]
        assert shards == [Unit(f"/films/{n}.png").shard(7) for n in range(200)]
        assert set(shards) == set(range(7))


class TestShard:
    def screen(self, films: Path, out: Path, **model: Any) -> tuple[dict[str, int], list[Any]]:
        units = find_units(str(films))
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
        assert told["noise.png"] == "unsupported_format"
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
        units = find_units(str(films))
        shard.screen(0, units)
        assert shard.screen(0, units) == {"rows": 6, "failed": 3, "kept": 3}
        assert len(read_part(part_path(out, 0, 1))) == 6

    def test_a_file_beyond_the_limit_is_a_row(self, films: Path, tmp_path: Path) -> None:
        (films / "huge.png").write_bytes(bytes(LIMIT + 1))
        counts, rows = self.screen(films, tmp_path / "out")
        assert counts["rows"] == 7
        assert counts["failed"] == 4
        assert json.dumps("too_large") in json.dumps([row["error"] for row in rows])

    def test_what_is_no_file_or_has_an_odd_name_is_a_row(self, films: Path, tmp_path: Path) -> None:
        (films / "lost.png").symlink_to(films / "nowhere")
        os.mkfifo(films / "pipe.png")
        (films / "line\nbreak.png").write_bytes(radiograph())
        Path(os.fsdecode(bytes(films) + b"/\xff.png")).write_bytes(radiograph())
        (films / "film.dcm").write_bytes(dicom())
        counts, rows = self.screen(films, tmp_path / "out")
        assert counts == {"rows": 11, "failed": 5, "kept": 0}
        told = {Path(row["path"]).name: row["error"] for row in rows}
        assert told["lost.png"] == told["pipe.png"] == "unreadable_file"
        assert told["line\nbreak.png"] is told["\\xff.png"] is told["film.dcm"] is None
        counts, _ = self.screen(films, tmp_path / "out")
        assert counts["kept"] == 6

    def test_a_damaged_part_is_made_anew(self, films: Path, tmp_path: Path) -> None:
        _, before = self.screen(films, tmp_path / "out")
        Path(part_path(str(tmp_path / "out"), 0, 1)).write_bytes(b"PAR1")
        counts, after = self.screen(films, tmp_path / "out")
        assert counts["kept"] == 0
        assert after == before


def test_large_archives_have_larger_shards_and_not_more_files_than_are_handy() -> None:
    assert [shard_count(films) for films in (0, 1, 64, 65, 6400)] == [1, 1, 1, 2, 100]
    assert films_per_shard(1_000_000) == 245
    assert shard_count(1_000_000) == 4082
    assert shard_count(50, 5) == 10
