"""The audit finds a score that follows a file's property, and only within the class it does."""

from pathlib import Path

import numpy as np

from training.audit import (
    INTERVENTIONS,
    auc_among_like,
    audit,
    border_brightness,
    interventions,
    laplacian_variance,
    stratified_auc,
    tabulate,
)
from training.dataset import load_dataset
from training.metrics import auc
from training.suite import SUITE


def test_a_score_that_follows_file_size_is_found(tmp_path: Path, data_set: Path) -> None:
    dataset = load_dataset(data_set, tmp_path)
    records = {record.name: record for record in dataset.scan.records}
    names = list(records)
    sizes = np.array([records[name].path.stat().st_size for name in names], dtype=float)
    rows = audit(tabulate(dataset, list(records.values())), sizes)
    found = {(row["class"], row["property"]): row["rank_correlation"] for row in rows}
    assert found["NORMAL", "file_bytes"] > 0.99
    assert found["PNEUMONIA", "file_bytes"] > 0.99


def test_an_unrelated_score_is_not_found(tmp_path: Path, data_set: Path) -> None:
    dataset = load_dataset(data_set, tmp_path)
    records = {record.name: record for record in dataset.scan.records}
    scores = np.random.default_rng(0).uniform(size=len(records))
    files = tabulate(dataset, list(records.values()))
    rows = [r for r in audit(files, scores) if r["images"] > 20]
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


def test_an_answer_that_follows_the_changed_property_shows_in_its_class() -> None:
    conditions = ("clean", *SUITE)
    labels = np.array([0, 0, 1, 1])
    probabilities = np.full((4, len(conditions)), 0.5)
    probabilities[2:, conditions.index("jpeg-30")] = 0.8
    rows = interventions(labels, probabilities, conditions)
    moved = {r["perturbation"]: r for r in rows if any(v == 0.3 for v in r.values())}
    assert list(moved) == ["jpeg-30"]
    assert moved["jpeg-30"]["mean change, NORMAL"] == 0
    assert {row["property"] for row in rows} == set(INTERVENTIONS)


def test_among_like_files_a_score_that_reads_the_file_is_worth_little() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3000)
    sizes = labels + rng.normal(size=3000)
    truth = labels + rng.normal(size=3000)
    by_size, by_truth = (stratified_auc(labels, score, sizes) for score in (sizes, truth))
    assert by_size is not None
    assert by_truth is not None
    assert auc(labels, sizes) > 0.7
    assert by_size < 0.6
    assert by_truth > 0.7


def test_without_like_files_of_both_classes_there_is_nothing_to_rank() -> None:
    labels = np.repeat([0, 1], 30)
    assert stratified_auc(labels, labels.astype(float), labels * 100.0 + np.arange(60)) is None


def test_each_property_that_does_not_separate_the_classes_is_ranked(
    tmp_path: Path, data_set: Path
) -> None:
    dataset = load_dataset(data_set, tmp_path)
    records = {record.name: record for record in dataset.scan.records}
    names = list(records)
    truth = np.array([records[name].label for name in names], dtype=float)
    rows = auc_among_like(tabulate(dataset, list(records.values())), truth)
    assert rows
    assert all(row["auc among like"] == 1 for row in rows)
