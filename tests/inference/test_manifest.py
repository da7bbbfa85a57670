"""The manifest is read strictly, explained in words and written as one step."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.imaging import InputSpec
from service.inference import (
    Ages,
    Agreement,
    BundleError,
    Calibration,
    Compiled,
    Golden,
    Labels,
    Manifest,
    Metrics,
    Quantised,
    TrainingData,
)
from service.inference.entries import Graph
from service.inference.manifest import SCHEMA_FILE, json_schema, write_schema
from tests.inference.crafted import crafted_manifest

_ROOT = Path(__file__).parents[2]
_SHA = "0" * 64


def _full_manifest() -> Manifest:
    return crafted_manifest(
        {"first.keras": b"1", "second.keras": b"2"},
        input=InputSpec(height=192, width=224, channels=3, scale=1 / 127, resampling="box"),
        combine="mean_logit",
        calibration=Calibration(method="platt", slope=0.7, intercept=-0.25, fitted_on="folds"),
        labels=Labels(negative="clear", positive="cloudy"),
        compiled=Compiled(
            file="ensemble.onnx",
            sha256=_SHA,
            further=(Graph(file="second.onnx", sha256=_SHA),),
            sources={"first.keras": _SHA},
            agreement=Agreement(images=128, largest_difference=1e-5, verdicts_changed=0),
            int8=Quantised(
                file="ensemble.int8.onnx",
                sha256=_SHA,
                agreement=Agreement(
                    images=1024,
                    largest_difference=0.05,
                    largest_map_difference=0.01,
                    verdicts_changed=1,
                    auc_loss=-1e-4,
                ),
                golden=(Golden(kind="chest", probabilities=(0.25, 0.75), tolerance=0.01),),
            ),
        ),
        training_data=TrainingData(
            digest=_SHA,
            description="phantoms",
            images=9,
            patients=3,
            ages=Ages(youngest=1, oldest=5),
        ),
        metrics=Metrics(protocol="none", figures={"auc": {"value": 0.5, "ci": [0.4, 0.6]}}),
        golden=(Golden(kind="ramp", probabilities=(0.25, 0.75)),),
    )


def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_full_manifest().to_json())
    return content


def _changed(path: str, value: object) -> bytes:
    """The full manifest's JSON with one field set (``members.0.file``), or left out for None."""
    content = _content()
    *parents, last = path.split(".")
    node: Any = content
    for step in parents:
        node = node[int(step) if step.isdigit() else step]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return json.dumps(content).encode()


def test_a_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "ensemble.json"
    manifest = _full_manifest()

    manifest.write(path)

    assert Manifest.read(path) == manifest
    assert path.read_text().endswith("}\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["ensemble.json"]


def test_writing_what_was_read_changes_no_byte(tmp_path: Path) -> None:
    path = tmp_path / "ensemble.json"
    _full_manifest().write(path)
    before = path.read_bytes()

    Manifest.read(path).write(path)

    assert path.read_bytes() == before


def test_a_failed_write_leaves_the_old_manifest_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "ensemble.json"
    _full_manifest().write(path)
    before = path.read_bytes()
    figures = Metrics.model_construct(protocol="", figures={"auc": float("nan")})

    with pytest.raises(ValueError, match="nan"):
        _full_manifest().model_copy(update={"metrics": figures}).write(path)

    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["ensemble.json"]


def test_a_manifest_from_before_there_were_8_bit_graphs_or_further_ones_is_read() -> None:
    content = _content()
    for field in ("agreement", "int8", "further"):
        del content["compiled"][field]

    compiled = Manifest.from_json(json.dumps(content).encode()).compiled

    assert compiled is not None
    assert (compiled.agreement, compiled.int8) == (None, None)
    assert [graph.file for graph in compiled.every_graph] == ["ensemble.onnx"]


def test_the_input_is_read_as_the_spec_that_imaging_takes() -> None:
    spec = Manifest.from_json(_full_manifest().to_json().encode()).input

    assert spec == InputSpec(height=192, width=224, channels=3, scale=1 / 127, resampling="box")


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("name", None, "The manifest's field name is missing."),
        ("surprise", 1, "The manifest's field surprise is not known."),
        ("schema_version", 2, "The manifest's field schema_version must be 1."),
        ("version", " ", "The manifest's field version has a form that is not allowed."),
        ("members.0.sha256", "00", "members.0.sha256 has a form that is not allowed."),
        ("members.0.colour", "red", "members.0.colour is not known."),
        ("members", [], "The manifest's field members has too few entries."),
        ("members.1.name", "first", "The manifest has two members with the same name."),
        ("members.1.file", "first.keras", "The manifest has two members with the same file."),
        ("combine", "max", "The manifest's field combine must be 'mean' or 'mean_logit'."),
        ("threshold.value", 1.0, "The manifest's field threshold.value must be below 1.0."),
        ("threshold.value", 0, "The manifest's field threshold.value must be above 0.0."),
        ("threshold.value", "much", "threshold.value does not hold the kind of value it should."),
        ("calibration.slope", -1, "The manifest's field calibration.slope must be above 0.0."),
        ("calibration.method", "none", "calibration says that nothing is calibrated, yet holds"),
        ("calibration.method", "temperature", "method must be 'none' or 'platt'."),
        ("training_data.ages.oldest", 0, "training_data.ages ends before it begins."),
        ("labels.positive", "clear", "The manifest's field labels gives both classes the same"),
        ("compiled.file", "first.keras", "names one file for two networks or graphs"),
        ("compiled.int8.file", "second.keras", "names one file for two networks or graphs"),
        ("compiled.int8.file", "ensemble.onnx", "names one file for two networks or graphs."),
        ("compiled.further.0.file", "ensemble.onnx", "names one file for two networks or graphs."),
        ("compiled.further.0.file", "ensemble.int8.onnx", "names one file for two networks or"),
        ("compiled.further.0.sha256", None, "compiled.further.0.sha256 is missing."),
        ("compiled.int8.agreement.images", -1, "compiled.int8.agreement.images must be at least"),
        ("compiled.int8.golden.0.probabilities", [0.5], "has a golden entry without one"),
        ("golden.0.probabilities", [0.5], "has a golden entry without one probability for each"),
        ("golden.0.probabilities", [0.5, 1.5], "golden.0.probabilities.1 must be at most 1.0."),
        ("golden.0.kind", "noise", "golden.0.kind must be 'ramp', 'checker' or 'chest'."),
        ("input.height", 15, "field input needs a height and a width from 16 to 2048 pixels."),
        ("input.width", 10**6, "field input needs a height and a width from 16 to 2048 pixels."),
        ("input.width", "wide", "input.width does not hold the kind of value it should."),
        ("input.channels", 2, "The manifest's field input.channels must be 1 or 3."),
        ("input.scale", 0.0, "field input needs a scale above 0 and not above 1."),
        ("input.crop", 3, "The manifest's field input holds the unknown key 'crop'."),
    ],
)
def test_a_bad_field_is_named_in_a_sentence(path: str, value: object, sentence: str) -> None:
    with pytest.raises(BundleError) as caught:
        Manifest.from_json(_changed(path, value))

    assert sentence in caught.value.message


@pytest.mark.parametrize(
    "name", ["../a.keras", "/a.keras", "sub/a.keras", "..", ".hidden", "a\\b", "a\n", "", "a" * 200]
)
@pytest.mark.parametrize("field", ["members.0.file", "compiled.file"])
def test_a_file_name_can_only_mean_a_file_of_the_folder(field: str, name: str) -> None:
    with pytest.raises(BundleError, match=f"The manifest's field {field} has a form"):
        Manifest.from_json(_changed(field, name))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(BundleError, match=r"^The manifest is not valid JSON\.$"):
        Manifest.from_json(text)


def test_infinite_numbers_are_refused() -> None:
    with pytest.raises(BundleError, match=r"calibration\.intercept must be a finite number"):
        Manifest.from_json(_changed("calibration.intercept", float("inf")))


def test_a_file_that_cannot_be_read_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        Manifest.read(tmp_path / "ensemble.json")

    assert caught.value.message == "The manifest ensemble.json cannot be read."


def test_the_json_schema_in_models_is_in_step(tmp_path: Path) -> None:
    """After a change of the manifest, ``write_schema`` renews the file."""
    write_schema(tmp_path / SCHEMA_FILE)

    assert (tmp_path / SCHEMA_FILE).read_text() == json_schema()
    assert (_ROOT / "models" / SCHEMA_FILE).read_text() == json_schema()
