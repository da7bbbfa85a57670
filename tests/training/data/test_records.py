"""Patients, duplicates and folds are what the data set's names and bytes say."""

import shutil
from pathlib import Path

import pytest

from tests.phantom import phantom
from tests.training.conftest import PATIENTS, write_data_set
from training.data import (
    DataError,
    Record,
    assign_folds,
    class_folders,
    folds_digest,
    one_per_patient,
    parse_name,
    scan,
    split,
)


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [
        ("person7_bacteria_21.jpeg", 1, ("bacterial", "person-bacteria", 7)),
        ("person7_virus_9.jpeg", 1, ("viral", "person-virus", 7)),
        ("IM-0115-0001.jpeg", 0, ("normal", "IM", 115)),
        ("NORMAL2-IM-0115-0001-0002.jpeg", 0, ("normal", "NORMAL2-IM", 115)),
    ],
)
def test_a_name_tells_aetiology_and_patient(
    name: str, label: int, expected: tuple[str, str, int]
) -> None:
    assert parse_name(name, label) == expected


def test_the_same_number_in_two_streams_is_two_patients() -> None:
    names = [("person7_bacteria_1.jpeg", 1), ("person7_virus_1.jpeg", 1), ("IM-0007-0001.jpeg", 0)]
    assert len({parse_name(name, label)[1:] for name, label in names}) == 3


def test_an_nih_name_tells_the_patient_in_either_class() -> None:
    assert parse_name("00001280_004.jpeg", 0) == ("normal", "NIH", 1280)
    assert parse_name("00001280_005.jpeg", 1) == ("unknown", "NIH", 1280)


def test_a_file_named_otherwise_is_a_patient_of_its_own() -> None:
    assert parse_name("scan_a.png", 1) != parse_name("scan_b.png", 1)


def test_every_image_is_listed_with_its_class(data_set: Path) -> None:
    found = scan(data_set / "train")
    assert len(found.records) == 4 * PATIENTS + 2
    assert sum(record.label for record in found.records) == 2 * PATIENTS + 1
    assert found.unreadable == ()
    assert found.duplicates == ()


def test_folders_of_other_hospitals_have_classes_of_their_own_names(tmp_path: Path) -> None:
    for name in ("NO_FINDING", "OPACITY", "lung_masks"):
        (tmp_path / name).mkdir()
    phantom(1).save(tmp_path / "NO_FINDING/00000001_000.png")
    phantom(2, opacity=1).save(tmp_path / "OPACITY/00000002_000.png")
    assert class_folders(tmp_path) == ("NO_FINDING", "OPACITY")
    found = scan(tmp_path, class_folders(tmp_path))
    assert [(record.patient, record.label) for record in found.records] == [
        ("NIH:1", 0),
        ("NIH:2", 1),
    ]


def test_the_digest_follows_the_content(tmp_path: Path, data_set: Path) -> None:
    copy = shutil.copytree(data_set, tmp_path / "copy")
    assert scan(copy / "train").digest == scan(data_set / "train").digest
    (copy / "train/NORMAL/IM-0002-0001.jpeg").unlink()
    assert scan(copy / "train").digest != scan(data_set / "train").digest


def test_duplicates_are_left_out(tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "data") / "train"
    shutil.copy(folder / "NORMAL/IM-0003-0001.jpeg", folder / "NORMAL/IM-0900-0001.jpeg")
    found = scan(folder)
    assert found.duplicates == ("NORMAL/IM-0900-0001.jpeg",)
    assert len(found.records) == 4 * PATIENTS + 2


def test_a_picture_that_lies_in_both_classes_is_left_out_altogether(tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "data") / "train"
    shutil.copy(folder / "NORMAL/IM-0003-0001.jpeg", folder / "PNEUMONIA/person9_virus_77.jpeg")
    assert set(scan(folder).duplicates) == {
        "NORMAL/IM-0003-0001.jpeg",
        "PNEUMONIA/person9_virus_77.jpeg",
    }


def test_a_few_unreadable_files_are_named_and_skipped(tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "data") / "train"
    template = (folder / "NORMAL/IM-0001-0001.jpeg").read_bytes()
    for number in range(120):
        (folder / f"NORMAL/NORMAL2-IM-{500 + number}-0001.jpeg").write_bytes(
            template + bytes([number])
        )
    (folder / "NORMAL/IM-0001-0001.jpeg").write_bytes(template[:200])
    assert scan(folder).unreadable == ("NORMAL/IM-0001-0001.jpeg",)


def test_many_unreadable_files_stop_the_run(tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "data") / "train"
    (folder / "NORMAL/IM-0001-0001.jpeg").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"1 of 42 images cannot be read \(NORMAL/IM-0001"):
        scan(folder)


@pytest.mark.parametrize("missing", ["NORMAL", "PNEUMONIA"])
def test_a_missing_class_folder_is_named(tmp_path: Path, missing: str) -> None:
    folder = write_data_set(tmp_path / "data") / "train"
    shutil.rmtree(folder / missing)
    with pytest.raises(DataError, match=f"no folder {missing}/"):
        scan(folder)


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "data") / "train"
    for path in (folder / "NORMAL").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="holds no images"):
        scan(folder)


def record(stream: str, number: int, image: int = 1) -> Record:
    name = f"NORMAL/{stream}-{number:04d}-{image:04d}.jpeg"
    return Record(Path(name), name, 0, "normal", stream, number, f"{stream}{number}{image}")


def test_folds_are_contiguous_blocks_of_each_stream() -> None:
    records = [record(stream, number) for stream in ("IM", "NORMAL2-IM") for number in range(40)]
    folds = assign_folds(records)
    for stream in ("IM", "NORMAL2-IM"):
        by_number = [folds[f"{stream}:{number}"] for number in range(40)]
        assert by_number == sorted(by_number)
        assert [by_number.count(fold) for fold in range(4)] == [10] * 4


def test_no_patient_is_on_both_sides_of_a_split(data_set: Path) -> None:
    records = scan(data_set / "train").records
    folds = assign_folds(records)
    for fold in range(4):
        training, held_out = split(records, folds, fold)
        assert held_out
        assert len(training) + len(held_out) == len(records)
        assert not {r.patient for r in training} & {r.patient for r in held_out}


def test_the_folds_digest_changes_with_any_patients_fold() -> None:
    folds = assign_folds([record("IM", number) for number in range(20)])
    moved = folds | {"IM:0": 1}
    assert folds_digest(folds) != folds_digest(moved)
    assert folds_digest(folds) == folds_digest(dict(reversed(folds.items())))


def test_evaluation_takes_one_image_of_each_patient() -> None:
    records = [record("IM", 2, 2), record("IM", 2, 1), record("IM", 1)]
    assert [r.name for r in one_per_patient(records)] == [
        "NORMAL/IM-0001-0001.jpeg",
        "NORMAL/IM-0002-0001.jpeg",
    ]
