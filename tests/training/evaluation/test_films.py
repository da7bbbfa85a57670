"""Labelled folders: classes, patients, views, duplicates."""

import shutil
from pathlib import Path

import pytest

from tests.training.evaluation.made_up import write_films
from training.data import DataError
from training.evaluation.films import Film, one_per_patient, read_folder


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        ({"NORMAL": 2, "PNEUMONIA": 1}, [0, 0, 1]),
        ({"NO_FINDING": 1, "OPACITY": 2}, [0, 1, 1]),
        ({"NORMAL": 1, "TB": 1}, [0, 1]),
        ({"NORMAL": 2}, [0, 0]),
    ],
)
def test_classes_of_other_hospitals_are_read(
    tmp_path: Path, classes: dict[str, int], labels: list[int]
) -> None:
    folder = read_folder(write_films(tmp_path / "set", classes))
    assert [film.label for film in folder.films] == labels
    assert folder.source == "set"


def test_the_training_sets_names_tell_patient_and_cause(tmp_path: Path) -> None:
    root = write_films(tmp_path / "set", {"NORMAL": 3, "PNEUMONIA": 2})
    names = {
        "NORMAL/001.png": "NORMAL/IM-0007-0001.png",
        "NORMAL/002.png": "NORMAL/NORMAL2-IM-0700-0001.png",
        "NORMAL/003.png": "NORMAL/NORMAL2-IM-0742-0001.png",
        "PNEUMONIA/001.png": "PNEUMONIA/person7_bacteria_20.png",
        "PNEUMONIA/002.png": "PNEUMONIA/person7_virus_21.png",
    }
    for old, new in names.items():
        (root / old).rename(root / new)
    films = {Path(film.file).stem: film for film in read_folder(root).films}
    assert films["IM-0007-0001"].patient == "IM:7"
    assert films["NORMAL2-IM-0700-0001"].is_hard_block
    assert not films["NORMAL2-IM-0742-0001"].is_hard_block
    assert not films["IM-0007-0001"].is_hard_block
    assert films["person7_bacteria_20"].patient != films["person7_virus_21"].patient
    assert films["person7_virus_21"].aetiology == "viral"
    assert films["IM-0007-0001"].aetiology == "normal"


def test_patients_csv_gives_patient_and_view(tmp_path: Path) -> None:
    root = write_films(tmp_path / "set", {"NO_FINDING": 2, "OPACITY": 1})
    (root / "patients.csv").write_text(
        "file,patient,view\nNO_FINDING/001.png,12,AP\nOPACITY/001.png,13,PA\n"
    )
    first, second, third = read_folder(root).films
    assert (first.patient, first.view, first.is_odd) == ("set:12", "AP", False)
    assert (third.patient, third.view, third.is_odd) == ("set:13", "PA", True)
    assert (second.view, second.aetiology) == ("", "")
    (root / "patients.csv").write_text("file,person\nNO_FINDING/001.png,12\n")
    with pytest.raises(DataError, match="columns file and patient"):
        read_folder(root)


def test_films_of_one_nih_patient_belong_together(tmp_path: Path) -> None:
    root = write_films(tmp_path / "set", {"NORMAL": 3})
    for number, name in enumerate(("age11_00001970_001", "age12_00001970_004", "age11_Normal-1")):
        (root / f"NORMAL/{number + 1:03d}.png").rename(root / f"NORMAL/{name}.png")
    films = read_folder(root).films
    assert len({film.patient for film in films}) == 2
    assert len(one_per_patient(films)) == 2


def test_equal_files_count_once_and_those_in_both_classes_not_at_all(tmp_path: Path) -> None:
    root = write_films(tmp_path / "set", {"NORMAL": 3, "PNEUMONIA": 1})
    shutil.copy(root / "NORMAL/001.png", root / "NORMAL/copy.png")
    shutil.copy(root / "NORMAL/002.png", root / "PNEUMONIA/copy.png")
    folder = read_folder(root)
    assert [film.file for film in folder.films] == [
        "NORMAL/001.png",
        "NORMAL/003.png",
        "PNEUMONIA/001.png",
    ]
    assert set(folder.duplicates) == {"NORMAL/copy.png", "NORMAL/002.png", "PNEUMONIA/copy.png"}


def test_a_folder_without_films_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        read_folder(tmp_path / "nowhere")
    (tmp_path / "CATS").mkdir()
    with pytest.raises(DataError, match="no images in any of the class folders"):
        read_folder(tmp_path)


def test_one_film_of_each_patient_is_the_first_by_name() -> None:
    films = [Film(Path(name), name, 0, "same", "set") for name in ("b", "a")]
    assert [film.file for film in one_per_patient(films)] == ["a"]
