import io

from rich.console import Console

from benchmarks import report
from benchmarks.figures import MemoryGrowth
from tests.benchmarks.samples import COMPARISON, sample_figures


def _column(rows: report.Rows, title: str) -> list[str]:
    return [row[rows[0].index(title)] for row in rows[1:]]


def test_each_contender_shows_how_many_times_better_ours_is() -> None:
    rows = report.comparison_table({"ours": sample_figures(), "theirs": sample_figures(4)}, {})
    assert [row[0] for row in rows] == ["", "ours", "theirs"]
    assert _column(rows, "1 client: p50, ms") == ["20.0", "80.0 (4.0x)"]
    assert _column(rows, "8 clients: answers/s") == ["80.0", "20.0 (4.0x)"]
    assert _column(rows, "largest difference") == ["0.00001", "0.00001"]


def test_where_ours_is_worse_the_ratio_is_below_one() -> None:
    rows = report.comparison_table({"ours": sample_figures(2), "theirs": sample_figures(1)}, {})
    assert _column(rows, "peak memory, MiB") == ["320", "160 (0.5x)"]


def test_a_failed_contender_is_listed_with_its_reason() -> None:
    rows = report.comparison_table(
        {"ours": sample_figures()}, {"theirs": "Its packages cannot be had."}
    )
    assert rows[-1][0] == "theirs: not measured. Its packages cannot be had."
    assert {len(row) for row in rows} == {1 + len(report.COLUMNS)}
    assert not any(rows[-1][1:])


def test_nothing_measured_is_a_table_of_titles() -> None:
    assert len(report.comparison_table({}, {})) == 1


def test_the_floor_shows_the_cost_of_a_request_and_the_share_of_the_cores() -> None:
    titles, alone, crowd, left, lone, cpu = report.floor_table(COMPARISON, cores=2)
    assert {len(titles)} == {len(row) for row in (alone, crowd, left, lone, cpu)}
    assert alone[1:] == ["20.0 ms", "16.0 ms", "+4.0 ms (+25%)"]
    assert crowd[1:] == ["80.0", "100.0", "80% of the loop's"]
    assert left == [
        "the same, of the 1.60 cores not used by the client",
        "80.0",
        "80.0",
        "100% of the loop's",
    ]
    assert lone[1:] == ["80.0", "133.3", "60% of the loop's"]
    assert cpu[1:] == ["25.0 ms", "20.0 ms", "+5.0 ms"]


def test_memory_is_compared_with_the_first_figure() -> None:
    assert report.memory(MemoryGrowth(500, 150, 5000, 156))[-1] == ["5000", "156 MiB", "+4.0%"]


def test_markdown_has_a_rule_under_the_titles_and_one_line_for_each_row() -> None:
    assert report.markdown([["", "a"], ["x", "1"]]) == "|  | a |\n| --- | ---: |\n| x | 1 |\n"


def test_the_terminal_shows_every_row() -> None:
    screen = io.StringIO()
    rows = report.comparison_table(
        {"ours": sample_figures(), "theirs": sample_figures(4)}, {}, report.COLUMNS[:3]
    )
    Console(file=screen, width=120).print(report.table(rows, "Side by side"))
    assert all(text in screen.getvalue() for text in ("Side by side", "ours", "80.0 (4.0x)"))
