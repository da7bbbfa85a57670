import dataclasses
import json

from service.cli.outcome import Columns, Failure, Outcome, is_header, read_row
from service.screening.screen import Screening
from service.screening.verdict import Verdict
from service.screening.wording import warn
from tests.fake_engine import fake_ensemble
from tests.serving import radiograph

COLUMNS = Columns.for_ensemble(fake_ensemble())


def verdict() -> Verdict:
    return Screening(fake_ensemble(), max_pixels=1_000_000).screen(radiograph())


def row(outcome: Outcome) -> dict[str, str]:
    return dict(zip(COLUMNS.header, COLUMNS.cells(outcome), strict=True))


def test_a_row_holds_the_exact_numbers_of_the_verdict() -> None:
    expected = verdict()
    cells = row(Outcome("a.png", expected))
    assert float(cells["probability"]) == expected.probability
    assert float(cells["threshold"]) == expected.threshold
    for member in expected.members:
        assert float(cells[f"member_{member.name}"]) == member.probability
    assert cells["predicted_class"] == expected.predicted_class
    assert cells["model_digest"] == expected.model.digest
    assert cells["image_sha256"] == expected.image.sha256
    assert (cells["image_width"], cells["image_height"]) == ("320", "256")
    assert (cells["error"], cells["message"]) == ("", "")


def test_the_row_of_a_failure_holds_only_its_reason() -> None:
    cells = row(Outcome("a.png", Failure("corrupt_image", "It is damaged.")))
    filled = {name: cell for name, cell in cells.items() if cell}
    assert filled == {
        "path": "a.png",
        "model_name": "fake",
        "model_version": "1.2.3",
        "model_digest": "sha256:" + "d" * 64,
        "engine": "fake fp32",
        "error": "corrupt_image",
        "message": "It is damaged.",
    }


def test_a_row_is_read_back() -> None:
    expected = verdict()
    read = read_row(COLUMNS.header, COLUMNS.cells(Outcome("a.png", expected)))
    assert read is not None
    assert (read.path, read.predicted_class) == ("a.png", expected.predicted_class)
    assert (read.sha256, read.model) == (expected.image.sha256, expected.model)


def test_a_row_with_other_columns_is_rejected() -> None:
    cells = COLUMNS.cells(Outcome("a.png", verdict()))
    assert read_row(COLUMNS.header, cells[:-1]) is None
    assert read_row(COLUMNS.header, [""] * len(cells)) is None


def test_headers_of_any_model_are_recognised() -> None:
    assert is_header(COLUMNS.header)
    assert is_header(Columns(COLUMNS.model, ["another"], "").header)
    assert not is_header(COLUMNS.header[:-1])
    assert not is_header(["path", "predicted_class"])
    assert not is_header([*COLUMNS.header[:4], "remarks", *COLUMNS.header[4:]])


def test_a_json_line_holds_path_and_verdict() -> None:
    expected = verdict()
    line = json.loads(json.dumps(Outcome("a.png", expected).as_json()))
    assert line.pop("path") == "a.png"
    fields = dataclasses.asdict(expected) | {"warnings": warn(expected, "en")}
    del fields["trained_on"], fields["indeterminate"]
    assert line == json.loads(json.dumps(fields))
