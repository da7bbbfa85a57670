"""The caches hold what the service would have made, and say what they left out."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.lungs import find_lungs, lung_field
from service.lungs.views import lung_alpha
from tests.lungs.drawn import as_probabilities, two_lungs
from tests.phantom import phantom
from tests.training.conftest import write_data_set
from training.data import DataError, Record, assign_folds, read_radiograph, scan
from training.data.collection import Collection, patient_may_train
from training.data.fields import CROP_SIDE, ROOM, Fields, cut_fields
from training.data.squares import read_squares

SIDE = 96
LUNGS = np.asarray(Image.fromarray(as_probabilities(two_lungs())).resize((SIDE, SIDE)))


def segment(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same lungs in every film, and none in a dark one."""
    found = np.stack([LUNGS * (picture.max() > 0.1) for picture in pictures])
    return found.astype(np.float32)


def films(folder: Path, count: int = 3) -> list[Record]:
    folder.mkdir(parents=True)
    records = []
    for number in range(count):
        path = folder / f"IM-{number:04d}-0001.png"
        phantom(number, (230 + 40 * number, 210)).save(path)
        name = f"NORMAL/{path.name}"
        records.append(Record(path, name, 0, "normal", "IM", number, ""))
    return records


def test_crops_and_masks_are_the_services_own(tmp_path: Path) -> None:
    records = films(tmp_path / "NORMAL")
    cut_fields(records, segment, tmp_path / "cache", side=SIDE)
    fields = Fields.open(tmp_path / "cache")
    assert [film.name for film in fields.films] == [record.name for record in records]
    for place, record in enumerate(records):
        radiograph = read_radiograph(record.path)
        field = find_lungs(LUNGS, radiograph.width, radiograph.height)
        assert field is not None
        crop = lung_field(radiograph, field, CROP_SIDE, ROOM)[..., 0]
        np.testing.assert_allclose(fields.crops[place] / 255, crop, atol=0.51 / 255)
        mask = lung_alpha(field, CROP_SIDE, ROOM, mask=field.mask)
        np.testing.assert_allclose(fields.masks[place] / 255, mask, atol=0.51 / 255)
        assert fields.films[place].quality == pytest.approx(field.quality, abs=1e-4)


def test_films_without_lungs_are_named_and_left_out(tmp_path: Path) -> None:
    records = films(tmp_path / "NORMAL")
    phantom(1, (200, 200)).point(lambda level: level // 12).save(records[1].path)
    cut_fields(records, segment, tmp_path / "cache", side=SIDE)
    fields = Fields.open(tmp_path / "cache")
    assert fields.without_lungs == [records[1].name]
    assert [film.number for film in fields.films] == [0, 2]
    radiograph = read_radiograph(records[2].path)
    field = find_lungs(LUNGS, radiograph.width, radiograph.height)
    assert field is not None
    crop = lung_field(radiograph, field, CROP_SIDE, ROOM)[..., 0]
    np.testing.assert_allclose(fields.crops[1] / 255, crop, atol=0.51 / 255)
    assert "No lungs found in 1 films: NORMAL/IM-0001-0001.png." in fields.report()


def test_films_keep_their_fold_and_projection(tmp_path: Path) -> None:
    records = films(tmp_path / "NORMAL")
    fields = cut_fields(
        records,
        segment,
        tmp_path / "cache",
        side=SIDE,
        folds=assign_folds(records, 3),
        projections={records[1].name: "AP"},
    )
    assert [(film.fold, film.projection) for film in fields.films] == [(0, ""), (1, "AP"), (2, "")]
    assert [film.patient for film in fields.films] == [record.patient for record in records]


def test_half_a_cache_is_none(tmp_path: Path) -> None:
    cut_fields(films(tmp_path / "NORMAL"), segment, tmp_path / "cache", side=SIDE)
    (tmp_path / "cache/films.csv").unlink()
    with pytest.raises(DataError, match="holds no lung fields"):
        Fields.open(tmp_path / "cache")


def write_masks(folder: Path, records: list[Record]) -> None:
    folder.mkdir()
    for record in records:
        with Image.open(record.path) as film:
            lungs = Image.fromarray(two_lungs().astype(np.uint8) * 255).resize(film.size)
        lungs.convert("1").save(folder / f"{Path(record.name).stem}.png")


def test_masks_are_squashed_as_their_films_are(tmp_path: Path) -> None:
    records = films(tmp_path / "NORMAL")
    write_masks(tmp_path / "masks", records)
    squares = read_squares(records, tmp_path / "masks")
    assert squares.frames.shape == (3, 224, 224)
    expected = two_lungs()
    for mask in squares.masks:
        assert ((mask > 127) == expected).mean() > 0.98


def test_masks_that_are_missing_or_of_another_size_are_named(tmp_path: Path) -> None:
    records = films(tmp_path / "NORMAL", 4)
    write_masks(tmp_path / "masks", records)
    (tmp_path / "masks/IM-0001-0001.png").unlink()
    Image.new("1", (100, 300), 1).save(tmp_path / "masks/IM-0002-0001.png")
    squares = read_squares(records, tmp_path / "masks")
    assert [record.number for record in squares.records] == [0, 3]
    assert squares.without_mask == ("NORMAL/IM-0001-0001.png",)
    assert squares.of_another_size == ("NORMAL/IM-0002-0001.png",)
    for name in (*squares.without_mask, *squares.of_another_size):
        assert name in squares.report()


def test_a_squashed_film_is_compared_with_its_originals_size(tmp_path: Path) -> None:
    records = films(tmp_path / "NORMAL", 1)
    (tmp_path / "masks").mkdir()
    Image.new("1", (120, 60), 1).save(tmp_path / "masks/IM-0000-0001.png")
    with pytest.raises(DataError, match="no lung mask of these films"):
        read_squares(records, tmp_path / "masks")
    squares = read_squares(records, tmp_path / "masks", {"IM-0000-0001": (2000, 1000)})
    assert len(squares.records) == 1


def test_a_mask_that_is_no_picture_is_named(tmp_path: Path) -> None:
    records = films(tmp_path / "NORMAL", 1)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/IM-0000-0001.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"IM-0000-0001\.png cannot be read"):
        read_squares(records, tmp_path / "masks")


def test_a_collection_is_read_as_far_as_it_is_there(tmp_path: Path) -> None:
    write_data_set(tmp_path / "chest_xray")
    collection = Collection(tmp_path)
    found = collection.scan("train")
    assert found is not None
    assert len(found.records) == 42
    assert collection.scan("adults_nih") is None
    assert collection.original_sizes() == {}
    folder = tmp_path / "adults_nih/NO_FINDING"
    folder.mkdir(parents=True)
    phantom(1).save(folder / "00000008_001.png")
    (tmp_path / "adults_nih/patients.csv").write_text(
        "file,patient,age,sex,view\nNO_FINDING/00000008_001.png,8,40,F,AP\n"
    )
    adults = collection.scan("adults_nih")
    assert adults is not None
    assert patient_may_train(adults.records[0].number)
    assert collection.projections() == {adults.records[0].name: "AP"}
    (tmp_path / "original_sizes.csv").write_text(
        "file,width,height,mask\na.jpeg,20,10,1\nb.jpeg,,,0\n"
    )
    assert collection.original_sizes() == {"a": (20, 10)}


def test_a_collection_without_the_training_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder NORMAL/"):
        Collection(tmp_path).scan("train")


def test_the_same_films_give_the_same_records(tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "a")
    copy = shutil.copytree(folder, tmp_path / "b")
    assert scan(folder / "train").digest == scan(copy / "train").digest
