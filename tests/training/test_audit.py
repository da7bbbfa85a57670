"""The audit finds a score that follows a file's property, and only within the class it does."""

from pathlib import Path

import numpy as np

from training.audit import audit, border_brightness, laplacian_variance
from training.dataset import load_dataset


def test_a_score_that_follows_file_size_is_found(tmp_path: Path, data_set: Path) -> None:
    dataset = load_dataset(data_set, tmp_path)
    records = {record.name: record for record in dataset.scan.records}
    names = list(records)
    sizes = np.array([records[name].path.stat().st_size for name in names], dtype=float)
    rows = audit(dataset, records, names, sizes)
    found = {(row["class"], row["property"]): row["rank_correlation"] for row in rows}
    assert found["NORMAL", "file_bytes"] > 0.99
    assert found["PNEUMONIA", "file_bytes"] > 0.99


def test_an_unrelated_score_is_not_found(tmp_path: Path, data_set: Path) -> None:
    dataset = load_dataset(data_set, tmp_path)
    records = {record.name: record for record in dataset.scan.records}
    scores = np.random.default_rng(0).uniform(size=len(records))
    rows = [r for r in audit(dataset, records, list(records), scores) if r["images"] > 20]
    assert {row["property"] for row in rows} >= {"file_bytes", "laplacian_variance"}
    assert all(abs(row["rank_correlation"]) < 0.6 for row in rows)


def test_a_checkerboard_is_sharper_than_a_ramp() -> None:
    checker = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    ramp = np.tile(np.linspace(0, 255, 64), (64, 1)).astype(np.uint8)
    assert laplacian_variance(checker) > 1000 > laplacian_variance(ramp)


def test_border_brightness_sees_the_rim_alone() -> None:
    frame = np.full((100, 100), 200, np.uint8)
    frame[4:-4, 4:-4] = 0
    assert border_brightness(frame) == 200
