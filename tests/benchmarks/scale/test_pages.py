from pathlib import Path

import pytest

from benchmarks.scale.cluster import ClusterFigures
from benchmarks.scale.neighbours import NeighbourFigures
from benchmarks.scale.pages import PAGES, blocks, fill, write_pages
from benchmarks.scale.sizing import Size
from benchmarks.scale.store import load, now, save
from benchmarks.scale.texts import TEXTS
from tests.benchmarks.scale.samples import CLUSTER, NEIGHBOURS, SIZES


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    save("cluster", now(["a bundle"], CLUSTER), ClusterFigures, folder)
    save("neighbours", now(["a bundle"], NEIGHBOURS), NeighbourFigures, folder)
    save("sizing", now(["a bundle"], SIZES), list[Size], folder)
    return folder


def test_results_are_read_as_they_were_written(results: Path) -> None:
    for name, kind, figures in (
        ("cluster", ClusterFigures, CLUSTER),
        ("neighbours", NeighbourFigures, NEIGHBOURS),
        ("sizing", list[Size], SIZES),
    ):
        found = load(name, kind, results)
        assert found is not None
        assert found.figures == figures
    assert load("other", ClusterFigures, results) is None


def test_documents_hold_what_the_results_say() -> None:
    for language, path in PAGES.items():
        text = path.read_text(encoding="utf-8")
        assert fill(text, blocks(TEXTS[language])) == text, "run `python -m benchmarks.scale pages`"


def test_figures_replace_those_before_and_nothing_else(results: Path, tmp_path: Path) -> None:
    for language, path in PAGES.items():
        copy = tmp_path / path.name
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        write_pages(results, {language: copy})
        once = copy.read_text(encoding="utf-8")
        write_pages(results, {language: copy})
        assert copy.read_text(encoding="utf-8") == once
        assert TEXTS[language]["unmeasured"] not in once
        assert once.splitlines()[:4] == path.read_text(encoding="utf-8").splitlines()[:4]


def test_the_tables_state_what_was_measured(results: Path) -> None:
    found = blocks(TEXTS["en"], results)
    assert "| `batch`, two nodes of one core | 33.0 | 1.83x | - | 38.0 |" in found["cluster"]
    assert "two nodes do 1.90 times what one does, and one does 95% of" in found["cluster"]
    assert "| 120 / 120 | 5 x 200, 32 x 429 | 25% |" in found["neighbours"]
    assert "| 20 / 120 |" in found["neighbours"]
    assert "cores: 1 | cores: 2" in found["sizing"]
    assert "304" in found["plan"]  # films/s of 16 cores
    assert "400 GB" in found["plan"]
    assert "a bundle" in found["plan"]


def test_both_languages_say_the_same() -> None:
    assert TEXTS["en"].keys() == TEXTS["es"].keys()
    for key, text in TEXTS["en"].items():
        assert text.count("|") == TEXTS["es"][key].count("|"), key


def test_a_mark_that_is_missing_is_an_error() -> None:
    with pytest.raises(ValueError, match="sizing is marked 0 times"):
        fill("no mark", {"sizing": "x"})
