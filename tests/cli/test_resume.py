import csv
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from service.cli.errors import CommandError
from service.cli.outcome import Columns, Failure, Outcome
from service.cli.resume import ResumableTable
from service.screening.verdict import ImageFacts, ModelRef, Verdict

MODEL = ModelRef("fake", "1.0", "sha256:" + "a" * 64)
COLUMNS = Columns(MODEL, ["one", "two"], "fake")
FAILED = Failure("corrupt_image", "It is damaged.")


def outcome(name: str, result: Failure | None = None) -> Outcome:
    image = ImageFacts("PNG", 320, 256, "b" * 64)
    return Outcome(name, result or Verdict("NORMAL", 0.1, 0.5, (), MODEL, image, "normal"))


def columns() -> Columns:
    return Columns(MODEL, [], "fake")


def paths(file: Path) -> list[str]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        return [row["path"] for row in csv.DictReader(lines)]


def written(file: Path, *outcomes: Outcome) -> Path:
    with closing(ResumableTable(file, columns())) as ledger:
        ledger.begin(drop=())
        for each in outcomes:
            ledger.append(each)
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


def test_each_row_can_be_read_as_soon_as_it_is_added(file: Path) -> None:
    with closing(ResumableTable(file, columns())) as ledger:
        ledger.begin(drop=())
        for count, name in enumerate(["a.png", "b.png", "c.png"], start=1):
            ledger.append(outcome(name))
            assert len(paths(file)) == count


def test_a_second_run_continues_the_rows_of_the_first(file: Path) -> None:
    written(file, outcome("a.png"), outcome("b.png", FAILED))
    with closing(ResumableTable(file, columns())) as ledger:
        assert [(row.path, bool(row.sha256)) for row in ledger.rows.values()] == [
            ("a.png", True),
            ("b.png", False),
        ]
        ledger.begin(drop={"b.png"})
        ledger.append(outcome("b.png"))
        ledger.append(outcome("c.png"))
    assert paths(file) == ["a.png", "b.png", "c.png"]
    assert file.read_text().count("path,") == 1
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_partial_row_is_removed(file: Path, cut: int) -> None:
    whole = written(file, outcome("a.png"), outcome("b.png")).read_text()
    file.write_text(whole[:-cut])
    with closing(ResumableTable(file, columns())) as ledger:
        assert list(ledger.rows) == ["a.png"]
        ledger.begin(drop=())
        ledger.append(outcome("b.png"))
    assert file.read_text() == whole


@pytest.mark.parametrize("kept", [0, 1, 30])
def test_a_partial_header_is_completed(file: Path, kept: int) -> None:
    whole = written(file, outcome("a.png")).read_text()
    file.write_text(whole[:kept])
    assert written(file, outcome("a.png")).read_text() == whole


def test_the_file_is_unchanged_before_begin(file: Path) -> None:
    text = written(file, outcome("a.png")).read_text() + "half a ro"
    file.write_text(text)
    ResumableTable(file, columns()).close()
    assert file.read_text() == text


def test_a_table_of_another_model_is_refused_with_both_named(file: Path) -> None:
    text = written(file, outcome("a.png")).read_text()
    newer = ModelRef("fake", "2.0", "sha256:" + "c" * 64)
    for members in ([], ["other"]):
        with pytest.raises(CommandError) as caught:
            ResumableTable(file, Columns(newer, members, "fake"))
        for name in ("fake 1.0 (sha256:aaaa", "fake 2.0 (sha256:cccc"):
            assert name in caught.value.message
    assert file.read_text() == text


def test_an_empty_table_of_other_networks_is_refused(file: Path) -> None:
    written(file)
    with pytest.raises(CommandError, match="columns of another model"):
        ResumableTable(file, COLUMNS)


@pytest.mark.parametrize(
    "content",
    [b"name,result\n1,2\n", b"pa th", b"\n", b"\xff\xd8\xff\xe0 a picture", b"path,a\npath,b\n"],
)
def test_a_foreign_file_is_refused_and_unchanged(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(CommandError, match="not a table written by this program"):
        ResumableTable(file, columns())
    assert file.read_bytes() == content


def test_a_broken_row_is_reported_with_its_line(file: Path) -> None:
    lines = written(file, outcome("a.png"), outcome("b.png")).read_text().splitlines()
    lines[1] = lines[1].replace(",", ";")
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(CommandError, match="Line 2 of "):
        ResumableTable(file, columns())


def test_a_table_saved_by_a_spreadsheet_can_be_resumed(file: Path) -> None:
    text = written(file, outcome("a.png")).read_text()
    file.write_bytes(text.replace("\n", "\r\n").encode())
    with closing(ResumableTable(file, columns())) as ledger:
        assert list(ledger.rows) == ["a.png"]


def test_a_table_of_an_earlier_release_without_byte_order_mark_is_resumed(file: Path) -> None:
    text = written(file, outcome("a.png"), outcome("b.png", FAILED)).read_text("utf-8-sig")
    file.write_text(text)
    with closing(ResumableTable(file, columns())) as ledger:
        assert list(ledger.rows) == ["a.png", "b.png"]
        ledger.begin(drop={"b.png"})
        ledger.append(outcome("b.png"))
    assert paths(file) == ["a.png", "b.png"]


def test_spreadsheets_are_told_the_encoding(file: Path) -> None:
    content = written(file, outcome("niño.png")).read_bytes()
    assert content.startswith(b"\xef\xbb\xbfpath,")
    assert content.count(b"\xef\xbb\xbf") == 1
    with closing(ResumableTable(file, columns())) as ledger:
        ledger.begin(drop={"niño.png"})
        ledger.append(outcome("niño.png"))
    assert file.read_bytes() == content


def test_two_runs_never_write_one_table(file: Path) -> None:
    with closing(ResumableTable(file, columns())) as first:
        first.begin(drop=())
        with pytest.raises(CommandError, match="Another run"):
            ResumableTable(file, columns())
    written(file)


def test_a_replaced_table_is_still_locked(file: Path) -> None:
    written(file, outcome("a.png", FAILED))
    with closing(ResumableTable(file, columns())) as first:
        first.begin(drop={"a.png"})
        with pytest.raises(CommandError, match="Another run"):
            ResumableTable(file, columns())


def test_a_link_to_a_table_stays_a_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(written(file, outcome("a.png", FAILED)))
    with closing(ResumableTable(link, columns())) as ledger:
        ledger.begin(drop={"a.png"})
        ledger.append(outcome("a.png"))
    assert link.is_symlink()
    assert paths(file) == ["a.png"]


def test_an_unwritable_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Cannot write .*: No such file or directory\."):
        ResumableTable(tmp_path / "missing/out.csv", columns())
    with pytest.raises(CommandError, match=r"Cannot write .*: Is a directory\."):
        ResumableTable(tmp_path, columns())
    with pytest.raises(CommandError, match="not a regular file"):
        ResumableTable(Path("/dev/null"), columns())


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file grows beyond a size, as on a full disk. The tests' own report may be such a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_an_error_and_loses_no_row(file: Path) -> None:
    ledger = ResumableTable(file, columns())
    ledger.begin(drop=())
    ledger.append(outcome("a.png"))
    almost_all = file.stat().st_size + 10
    with files_up_to(almost_all), pytest.raises(CommandError, match="Cannot write"):
        ledger.append(outcome("b.png"))
    ledger.close()
    with closing(ResumableTable(file, columns())) as ledger:
        assert list(ledger.rows) == ["a.png"]
