"""Figures of tables with known answers."""

import pytest

from tests.training.evaluation.made_up import manifest, table
from training.evaluation.external import ROWS, external_figures, external_table
from training.evaluation.figures import figures, under_conditions


def test_figures_at_the_manifests_threshold() -> None:
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    scores = [0.1, 0.2, 0.3, 0.9, 0.2, 0.8, 0.9, 0.95]
    causes = ["", "", "", "", "viral", "viral", "bacterial", "bacterial"]
    hard = [False, True, False, True, False, False, False, False]
    found = figures(table(labels, scores, {"aetiology": causes, "hard_block": hard}), manifest(0.5))
    assert (found["films"], found["patients"], found["positives"]) == (8, 8, 4)
    assert found["sensitivity"]["value"] == found["specificity"]["value"] == 0.75
    assert found["accuracy"]["value"] == 0.75
    assert found["by_aetiology"]["viral"]["value"] == 0.5
    assert found["by_aetiology"]["bacterial"] == {
        "value": 1.0,
        "low": 0.3424,
        "high": 1.0,
        "n": 2,
    }
    assert found["hard_blocks"]["value"] == 0.5
    # Of 16 pairs, 0.2 ties with one normal and loses to two, and 0.9 beats 0.2, 0.8 and ties once.
    assert found["auc"]["value"] == pytest.approx((1.5 + 3 + 3.5 + 4) / 16)
    assert set(found["members"]) == {"checksum", "mean"}
    assert figures(table(labels, scores), manifest(0.92))["sensitivity"]["value"] == 0.25


def test_a_set_of_one_class_has_no_auc_and_refused_films_are_counted_by_name() -> None:
    refused = ["", "CorruptImageError", ""]
    found = figures(table([0, 0, 0], [0.1, 0.2, 0.9], {"refused": refused}), manifest())
    assert found["auc"] is found["ece"] is found["sensitivity"] is None
    assert found["specificity"]["value"] == 0.5
    assert found["refused"] == {"CorruptImageError": {"films": 1, "files": ["film-1"]}}


def test_each_condition_is_judged_on_the_films_that_it_leaves() -> None:
    labels = [0, 0, 1, 1]
    clean = table(labels, [0.1, 0.2, 0.8, 0.9])
    lost = table(labels, [0.9, 0.1, 0.2, 0.9], {"refused": ["", "", "", "lost"]})
    lost.loc[3, ["logit:checksum", "logit:mean"]] = float("nan")
    gone = table(labels, [0.1] * 4, {"refused": ["", "", "lost", "lost"]})
    conditions = {"kind": table(labels, [0.1, 0.3, 0.7, 0.9]), "harsh": lost, "cruel": gone}
    found = under_conditions(clean, conditions, manifest())
    assert found["films"] == 4
    assert found["worst"] == {"condition": "harsh", "auc": 0.5}
    assert found["mean_auc"]["value"] == 0.75
    assert found["each"]["kind"]["changed"]["value"] == 0.0
    assert found["each"]["kind"]["lost"] == 0
    assert found["each"]["harsh"]["changed"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["each"]["harsh"]["lost"] == 1
    assert found["each"]["cruel"]["auc"] is None
    assert found["each"]["cruel"]["sensitivity"] is None


def test_the_cross_hospital_table_keeps_views_and_halves_apart() -> None:
    nih = table(
        [0, 1, 0, 1, 0, 1, 0, 0],
        [0.1, 0.9, 0.2, 0.8, 0.9, 0.1, 0.8, 0.2],
        {
            "view": ["PA", "PA", "PA", "PA", "AP", "AP", "AP", "AP"],
            "odd": [False, False, True, True, True, True, False, False],
        },
    )
    tables = {
        "adults_montgomery": table([0, 0, 1], [0.1, 0.7, 0.6]),
        "children_11_to_17": table([0, 0, 0, 0], [0.1, 0.6, 0.7, 0.8]),
        "adults_nih": nih,
    }
    found = external_figures(tables, manifest())
    rows = found["rows"]
    assert rows["montgomery"]["auc"]["value"] == 0.5
    assert rows["montgomery"]["false_positives"]["value"] == 0.5
    assert rows["older_children"]["false_positives"]["value"] == 0.75
    assert rows["older_children"]["auc"] is None
    assert rows["nih_pa"]["auc"]["value"] == 1.0
    assert (rows["nih_ap"]["auc"]["value"], rows["nih_ap"]["normal"]) == (1 / 3, 3) or rows[
        "nih_ap"
    ]["auc"]["value"] == pytest.approx(0.0)
    assert (rows["nih_pa_odd"]["normal"], rows["nih_ap_odd"]["normal"]) == (1, 1)
    text = external_table([found, found | {"bundle": "another 1.0"}])
    assert text.count("| another 1.0 |") == text.count("| fake 1.2.3 |") == len(ROWS)
    assert "75.0 %" in text
