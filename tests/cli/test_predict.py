import csv
import dataclasses
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from service.api.app import create_app
from service.cli import loading
from service.cli.app import app
from service.inference import BundleError
from service.screening.screen import Screening
from service.screening.wording import warn
from service.settings import Settings
from tests.cli.conftest import Cli
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.films import films, needs_films
from tests.serving import ROOT, client_of, radiograph

MODELS = ROOT / "models"


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        return list(csv.DictReader(lines))


def by_name(file: Path) -> dict[str, dict[str, str]]:
    return {Path(row["path"]).name: row for row in rows(file)}


def test_every_file_gets_the_verdict_of_the_use_case(
    cli: Cli, chests: Path, engine: FakeEngine
) -> None:
    status, out, _ = cli("predict", chests, "--json")
    screening = Screening(fake_ensemble(engine), max_pixels=10**7)
    lines: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [Path(line["path"]).name for line in lines] == [f"{n}.png" for n in (0, 2, 4, 1, 3, 5)]
    for line in lines:
        verdict = screening.screen(Path(line.pop("path")).read_bytes())
        expected = dataclasses.asdict(verdict) | {"warnings": warn(verdict, "en")}
        del expected["trained_on"], expected["indeterminate"]
        assert line == json.loads(json.dumps(expected))


@pytest.mark.anyio
async def test_command_line_table_and_api_give_the_same_numbers(
    cli: Cli, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    file, table = tmp_path / "1.png", tmp_path / "out.csv"
    file.write_bytes(radiograph(1))
    answer = (await client.post("/predict", files={"file": radiograph(1)})).json()
    line = json.loads(cli("predict", file, "--json", "--csv", table).out)
    for name in ("predicted_class", "probability", "threshold", "members", "model", "image"):
        assert line[name] == answer[name]
    [row] = rows(table)
    assert float(row["probability"]) == answer["probability"]
    for member in answer["members"]:
        assert float(row[f"member_{member['name']}"]) == member["probability"]


@pytest.mark.anyio
@needs_films
async def test_with_the_shipped_networks_as_well() -> None:
    file = films()[0]
    async with client_of(create_app(Settings(models_dir=MODELS, threads=1))) as service:
        answer = (await service.post("/predict", files={"file": file.read_bytes()})).json()
    arguments = ["predict", str(file), "--json", "--models", str(MODELS)]
    line = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert line.pop("path") == str(file)
    assert line == {name: answer[name] for name in line}


def test_without_a_terminal_verdicts_are_plain_lines_on_standard_output(
    cli: Cli, chests: Path
) -> None:
    (chests / "notes.txt").write_text("nothing")
    status, out, err = cli("predict", chests)
    lines = list(csv.DictReader(io.StringIO(out), delimiter="\t"))
    counts = dict.fromkeys(("PNEUMONIA", "NORMAL"), 0)
    for line in lines:
        counts[line["predicted_class"]] += 1
    assert (status, len(lines)) == (0, 6)
    warned = sum(bool(line["warnings"]) for line in lines)
    assert 0 < warned < 6
    assert all(line["assessment"] == line["predicted_class"].lower() for line in lines)
    first, second, third, fourth, fifth = err.splitlines()
    assert (
        first == f"6 files: {counts['PNEUMONIA']} PNEUMONIA, {counts['NORMAL']} NORMAL, 0 failed."
    )
    assert second.startswith("6 files in ")
    assert second.endswith("with fake 1.2.3, threshold 0.5.")
    assert third == f"With warnings: {warned} file{'s' if warned > 1 else ''}."
    assert fourth == "Skipped in folders, not pictures: 1 file."
    assert fifth == "Decision support, not a diagnosis."


def test_indeterminate_results_are_counted_beside_their_class(
    cli: Cli, chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsure = fake_ensemble(between=(0, 1))
    monkeypatch.setattr(loading, "load_ensemble", lambda *_, **__: unsure)
    summaries = [
        cli("predict", chests, "--csv", tmp_path / "out.csv").err.splitlines() for _ in range(2)
    ]
    counted = Counter(row["predicted_class"] for row in rows(tmp_path / "out.csv"))
    parts = [
        f"{counted[label]} {label} ({counted[label]} of them indeterminate)"
        for label in ("PNEUMONIA", "NORMAL")
    ]
    assert min(counted.values()) > 0
    first = f"6 files: {', '.join(parts)}, 0 failed"
    assert [lines[0] for lines in summaries] == [f"{first}.", f"{first}; 6 from an earlier run."]
    for lines in summaries:
        assert "Where a result is indeterminate, a radiologist should decide." in lines


def test_quiet_prints_nothing_on_success(cli: Cli, chests: Path, tmp_path: Path) -> None:
    assert cli("predict", chests, "--quiet", "--csv", tmp_path / "out.csv") == (0, "", "")
    assert len(rows(tmp_path / "out.csv")) == 6


def test_invalid_files_are_listed_and_the_others_are_screened(
    cli: Cli, chests: Path, tmp_path: Path
) -> None:
    (chests / "a/cut.png").write_bytes(radiograph(1)[:3000])
    (chests / "a/empty.png").write_bytes(b"")
    (chests / "b/text.jpeg").write_text("no picture")
    status, out, err = cli("predict", chests, "--csv", tmp_path / "out.csv", "--quiet")
    assert (status, out) == (1, "")
    said = {Path(line.split(": ")[0]).name: line.split(": ")[1] for line in err.splitlines()}
    assert list(said) == ["cut.png", "empty.png", "text.jpeg"]
    table = by_name(tmp_path / "out.csv")
    assert len(table) == 9
    codes = {name: table[name]["error"] for name in said}
    assert codes == {
        "cut.png": "corrupt_image",
        "empty.png": "empty_file",
        "text.jpeg": "unsupported_format",
    }
    assert all(table[name]["message"].startswith(words) for name, words in said.items())


def test_a_failure_is_a_json_line(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "empty.png"
    file.write_bytes(b"")
    status, out, _ = cli("predict", file, "--json")
    line = json.loads(out)
    assert (status, line["path"], line["error"]["code"]) == (1, str(file), "empty_file")


def test_a_file_above_the_upload_limit_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_MAX_UPLOAD_MIB", "1")
    file = tmp_path / "large.png"
    file.write_bytes(radiograph() + bytes(2**20))
    assert json.loads(cli("predict", file, "--json").out)["error"]["code"] == "too_large"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BundleError("No probability."), "model_unavailable"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("a bug"), "internal_error"),
    ],
)
def test_an_unexpected_error_fails_only_its_file(
    cli: Cli, chests: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    ensemble = fake_ensemble(FakeEngine(error=error))
    monkeypatch.setattr(loading, "load_ensemble", lambda *_, **__: ensemble)
    status, out, _ = cli("predict", chests, "--json")
    assert (status, len(out.splitlines())) == (1, 6)
    assert {json.loads(line)["error"]["code"] for line in out.splitlines()} == {code}


def test_a_finished_table_is_unchanged(
    cli: Cli, chests: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    table = tmp_path / "out.csv"
    cli("predict", chests, "--csv", table)
    before, calls = table.read_bytes(), engine.calls
    status, out, err = cli("predict", chests, "--csv", table)
    assert (status, table.read_bytes(), engine.calls) == (0, before, calls)
    assert out.splitlines() == [
        "path\tpredicted_class\tassessment\tprobability\tchecksum\tmean\twarnings"
    ]
    assert "0 failed; 6 from an earlier run." in err


def test_failed_and_changed_and_new_files_are_screened_by_the_next_run(
    cli: Cli, chests: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    table, bad, changed = tmp_path / "out.csv", chests / "a/bad.png", chests / "b/1.png"
    bad.write_bytes(b"")
    assert cli("predict", chests, "--csv", table).status == 1
    old, calls = by_name(table), engine.calls
    bad.write_bytes(radiograph(10))
    changed.write_bytes(radiograph(11))
    (chests / "new.png").write_bytes(radiograph(12))
    assert cli("predict", chests, "--csv", table).status == 0
    new = by_name(table)
    assert engine.calls == calls + 3
    assert len(rows(table)) == len(new) == 8
    assert new["bad.png"]["error"] == ""
    assert new["1.png"]["image_sha256"] != old["1.png"]["image_sha256"]
    assert new["0.png"] == old["0.png"]


def test_rows_of_other_files_are_kept(cli: Cli, chests: Path, tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    (chests / "a/bad.png").write_bytes(b"")
    cli("predict", chests / "a", "--csv", table)
    first = rows(table)
    assert cli("predict", chests / "b", "--csv", table).status == 0
    assert rows(table)[: len(first)] == first
    assert len(rows(table)) == len(first) + 3


def test_unusual_file_names_can_be_resumed(cli: Cli, tmp_path: Path, engine: FakeEngine) -> None:
    folder, table = tmp_path / "odd", tmp_path / "out.csv"
    folder.mkdir()
    for number, name in enumerate([b"a\nb.png", b"caf\xe9.png", b'x,"y".png']):
        (Path(str(folder)) / name.decode(errors="surrogateescape")).write_bytes(radiograph(number))
    cli("predict", folder, "--csv", table)
    calls = engine.calls
    assert calls == 3
    assert cli("predict", folder, "--csv", table).status == 0
    assert engine.calls == calls
    assert len(table.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.png"], "There is no file or folder "),
        (["empty"], "There is no picture in "),
        (
            ["a.png", "--csv", "missing/out.csv"],
            "Cannot write missing/out.csv: No such file or directory.",
        ),
        (["a.png", "--csv", "a.png"], "a.png is not a table written by this program."),
        (["a.png", "--report", "a.png"], "Cannot create the folder a.png: "),
    ],
)
def test_a_run_that_cannot_start_exits_with_a_message_and_2(
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("a.png").write_bytes(radiograph())
    status, out, err = cli("predict", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert Path("a.png").read_bytes() == radiograph()


def test_a_bundle_that_does_not_verify_exits_with_a_message_and_2(
    chests: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BundleError("The file x.keras is not the one that the manifest describes.")

    monkeypatch.setattr(loading, "load_ensemble", refuse)
    status, out, err = cli("predict", chests, "--models", tmp_path / "elsewhere")
    assert (status, out) == (2, "")
    assert err.startswith("The file x.keras is not the one")
    assert f"{tmp_path}/elsewhere; choose another with --models or XRAY_MODELS_DIR." in err


def test_a_setting_out_of_range_exits_with_a_message_and_2(
    cli: Cli, chests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_THREADS", "none")
    status, _, err = cli("predict", chests)
    assert status == 2
    assert err.startswith("XRAY_THREADS: ")


def test_a_warning_of_the_bundle_is_printed(
    cli: Cli, chests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = fake_ensemble()
    warned = type(plain)(plain.bundle, FakeEngine(), warning="The graph is out of date.")
    monkeypatch.setattr(loading, "load_ensemble", lambda *_, **__: warned)
    assert cli("predict", chests).err.startswith("The graph is out of date.\n")


def test_a_local_prevalence_stands_in_lines_and_tables(cli: Cli, tmp_path: Path) -> None:
    file, table = tmp_path / "1.png", tmp_path / "out.csv"
    file.write_bytes(radiograph(1))
    line = json.loads(cli("predict", file, "--json", "--csv", table, "--prevalence", "0.05").out)
    assert line["local"]["prevalence"] == 0.05
    assert line["local"]["note"]
    [row] = rows(table)
    assert row["local_prevalence"] == "0.05"
    assert row["local_probability"] == ""  # the fake bundle does not say what it was calibrated for
    assert cli("predict", file, "--prevalence", "1.5").status == 2
