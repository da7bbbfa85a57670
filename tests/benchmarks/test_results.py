from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import MemoryGrowth
from benchmarks.results import Results, page, write
from tests.benchmarks.samples import COMPARISON, sample_figures

RESULTS = Results(
    made_at=datetime(2030, 1, 2, 3, 4, tzinfo=UTC),
    machine=["a processor, 2 cores"],
    setup=["8 synthetic chests"],
    measured={"ours": sample_figures(), "theirs": sample_figures(3)},
    failed={"others": "It exited."},
    comparison=COMPARISON,
    growth=MemoryGrowth(500, 150, 5000, 156),
    cores=2,
)


def test_the_page_names_time_and_machine() -> None:
    text = page(RESULTS)
    assert "2030-01-02 03:04 UTC" in text
    assert "- a processor, 2 cores\n" in text
    assert "- 8 synthetic chests\n" in text


def test_the_page_holds_contenders_floor_and_memory() -> None:
    text = page(RESULTS)
    assert "| theirs | 1.50 (3.0x) |" in text
    assert "others: not measured. It exited." in text
    assert "## Against the floor" in text
    assert "+4.0%" in text


def test_missing_results_have_no_table() -> None:
    text = page(replace(RESULTS, comparison=None, growth=None))
    assert "Against the floor" not in text
    assert "Memory over time" not in text


def test_the_page_replaces_the_one_before_it(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    file.write_text("old")
    write(RESULTS, file)
    assert file.read_text() == page(RESULTS)
    assert list(tmp_path.iterdir()) == [file]
