import csv
import os
from pathlib import Path

import pytest

from service.cli.errors import CommandError
from service.cli.files import (
    TooLargeFileError,
    UnreadableFileError,
    find_files,
    printable_path,
    read_file,
)
from tests.serving import radiograph


def names(folder: Path, *arguments: object) -> list[str]:
    found = find_files([str(argument) for argument in arguments])
    return [path.relative_to(folder).as_posix() for path in found.files]


def fill(folder: Path, *files: str, content: bytes = b"") -> None:
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_folders_are_searched_in_order_of_names(tmp_path: Path) -> None:
    fill(tmp_path, "b/2.png", "b/10.png", "a/z/1.png", "a/y.png", "c.png")
    expected = ["c.png", "a/y.png", "a/z/1.png", "b/10.png", "b/2.png"]
    assert names(tmp_path, tmp_path) == expected


def test_arguments_keep_their_order_without_duplicates(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png")
    assert names(tmp_path, tmp_path / "b", tmp_path, tmp_path / "b/1.png") == ["b/1.png", "a/1.png"]


def test_folders_are_searched_by_suffix_and_content(tmp_path: Path) -> None:
    fill(tmp_path, "1.JPEG", "2.dcm", "3.tif", "notes.txt", "list.csv")
    fill(tmp_path, "IM0001", content=radiograph())
    assert names(tmp_path, tmp_path) == ["1.JPEG", "2.dcm", "3.tif", "IM0001"]
    assert find_files([str(tmp_path)]).skipped == 2


def test_a_named_file_is_always_included(tmp_path: Path) -> None:
    fill(tmp_path, "notes.txt")
    assert names(tmp_path, tmp_path / "notes.txt") == ["notes.txt"]


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "._1.png", ".thumbnails/1.png")
    found = find_files([str(tmp_path)])
    assert [path.name for path in found.files] == ["1.png"]
    assert found.skipped == 0


def test_circular_links_are_followed_once(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    assert names(tmp_path, tmp_path) == ["a/1.png"]


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", "1.png")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "here", tmp_path / "here") == ["link/1.png"]


def test_an_unexpanded_pattern_is_expanded(tmp_path: Path) -> None:
    fill(tmp_path, "b.png", "a.png", "c.tiff", "deep/er/d.png")
    assert names(tmp_path, tmp_path / "*.png") == ["a.png", "b.png"]
    assert names(tmp_path, tmp_path / "**/d.png") == ["deep/er/d.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    fill(tmp_path, "x[1].png", "x1.png")
    assert names(tmp_path, tmp_path / "x[1].png") == ["x[1].png"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [("missing.png", "There is no file or folder "), ("*.png", "No file matches ")],
)
def test_a_missing_file_is_an_error(tmp_path: Path, argument: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        find_files([str(tmp_path / argument)])


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path, "notes.txt")
    with pytest.raises(CommandError, match=r"no picture in .*; skipped: 1 file of other types"):
        find_files([str(tmp_path)])


def test_a_folder_that_cannot_be_listed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "1.png", "closed/2.png")
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = find_files([str(tmp_path)])
    assert [path.name for path in found.files] == ["1.png"]
    assert found.unreadable_folders == (tmp_path / "closed",)


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    fill(tmp_path, "1.png")
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path, tmp_path) == ["1.png"]
    with pytest.raises(UnreadableFileError, match="not a regular file"):
        read_file(tmp_path / "pipe", max_bytes=100)


def test_a_file_is_read_whole_up_to_the_limit(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", content=b"x" * 100)
    assert read_file(tmp_path / "1.png", max_bytes=100) == b"x" * 100
    with pytest.raises(TooLargeFileError):
        read_file(tmp_path / "1.png", max_bytes=99)


def test_a_missing_file_is_reported_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read_file(tmp_path / "1.png", max_bytes=99)
    assert caught.value.message == "The file cannot be read: No such file or directory."


def test_an_ordinary_path_is_unchanged() -> None:
    assert printable_path(Path("/data/niña 1/IM-0001.jpeg")) == "/data/niña 1/IM-0001.jpeg"


@pytest.mark.parametrize("name", ["=1+1.png", "+1.png", "-1.png", "@SUM(A1).png"])
def test_a_name_like_a_formula_becomes_a_path_to_the_same_file(name: str) -> None:
    assert printable_path(Path(name)) == f"./{name}"
    assert Path(printable_path(Path(name))) == Path(name)


def test_control_characters_are_escaped() -> None:
    name = printable_path(Path("a\nb\x1b[31m\u2028c\r.png"))
    assert name == "a\\x0ab\\x1b[31m\\u2028c\\x0d.png"
    assert next(csv.reader([name])) == [name]


def test_a_name_that_is_not_utf8_can_be_written() -> None:
    assert printable_path(Path("caf\udce9.png")).encode() == b"caf\\xe9.png"


class TestDicom:
    def test_it_is_found_by_content_and_a_dicomdir_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00")
        (tmp_path / "IM0002").write_bytes(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100")
        (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00")
        assert names(tmp_path, tmp_path) == ["IM0001", "IM0002"]

    def test_a_dicomdir_that_is_named_stands_for_its_folder(self, tmp_path: Path) -> None:
        (tmp_path / "SERIES").mkdir()
        (tmp_path / "SERIES" / "IM0001").write_bytes(bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00")
        (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
        assert names(tmp_path, tmp_path / "DICOMDIR") == ["SERIES/IM0001"]
