from pathlib import Path

import pytest

from service.cli import check, loading, self_test
from service.cli.self_test import memory_limit
from service.inference import BundleError, Ensemble
from service.settings import MIB
from tests.cli.conftest import Cli
from tests.fake_engine import FakeEngine, FakeSegmenter, fake_bundle, fake_ensemble

Findings = dict[str, tuple[str, str]]


@pytest.fixture(autouse=True)
def small_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake networks take longer to check sum a large picture than real ones to read it."""
    monkeypatch.setattr(self_test, "_WIDTH", 64)
    monkeypatch.setattr(self_test, "_HEIGHT", 48)


def findings(out: str) -> Findings:
    """Level and text by subject."""
    lines = [line for line in out.splitlines() if not line.lstrip().startswith("->")]
    return {line.split()[1]: (line.split()[0], line[16:]) for line in lines}


def test_on_a_good_installation_every_check_passes(cli: Cli) -> None:
    status, out, err = cli("check")
    found = findings(out)
    assert (status, err) == (0, "")
    assert list(found) == [
        "Python",
        "Libraries",
        "Engines",
        "Processors",
        "Bundle",
        "Engine",
        "Self-test",
        "Memory",
    ]
    assert {level for level, _ in found.values()} <= {"ok", "warn"}  # the machine is what it is
    assert found["Bundle"][1].startswith("fake 1.2.3, sha256:dddd")
    assert found["Engine"][1].startswith("fake, fp32, loaded in ")
    assert found["Self-test"][1].startswith("a synthetic radiograph of 64 x 48 pixels in ")


def test_a_missing_library_fails_and_skips_the_checks_that_need_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "LIBRARIES", ("numpy", "no-such-library"))
    status, out, _ = cli("check")
    found = findings(out)
    assert status == 1
    assert found["Libraries"] == ("fail", "missing: no-such-library")
    assert list(found) == ["Python", "Libraries", "Engines"]
    assert "-> Install them: " in out


def test_a_missing_engine_fails(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ENGINES", ("no-such-engine",))
    status, out, _ = cli("check")
    assert (status, findings(out)["Engines"]) == (1, ("fail", "none"))


def test_an_untested_python_is_a_warning(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PYTHONS", ((4, 0), (4, 1)))
    status, out, _ = cli("check")
    assert (status, findings(out)["Python"][0]) == (0, "warn")
    assert "-> Use a tested version: Python 4.0 to 4.1." in out


def test_more_threads_than_processors_are_a_warning(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "available_cpus", lambda: 1)
    status, out, _ = cli("check")
    assert (status, findings(out)["Processors"][0]) == (0, "warn")
    assert "set XRAY_THREADS=1." in out


def test_a_setting_out_of_range_fails(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_PORT", "123456")
    status, out, _ = cli("check")
    assert (status, findings(out)["Settings"][0]) == (1, "fail")
    assert "XRAY_PORT: " in out


def test_a_bundle_that_does_not_verify_fails_with_the_reason(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BundleError("The bundle lacks the file x.keras.")

    monkeypatch.setattr(loading, "load_ensemble", refuse)
    status, out, _ = cli("check", "--models", "elsewhere")
    assert status == 1
    assert findings(out)["Bundle"] == ("fail", "The bundle lacks the file x.keras.")
    assert (
        "-> The models folder is elsewhere; choose another with --models or XRAY_MODELS_DIR." in out
    )


def test_a_warning_of_the_bundle_is_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = fake_bundle()
    object.__setattr__(bundle, "provenance", "bring-your-own")
    odd = Ensemble(bundle, FakeEngine(), warning="TensorFlow answers instead.")
    monkeypatch.setattr(loading, "load_ensemble", lambda *_, **__: odd)
    status, out, _ = cli("check")
    found = findings(out)
    assert (status, found["Bundle"][0], found["Engine"][0]) == (0, "warn", "warn")
    assert "-> TensorFlow answers instead." in out


def test_a_network_that_finds_no_lungs_in_the_drawing_is_no_fault(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSegmenter, "probabilities", lambda _, batch: 0 * batch[..., 0])
    ensemble = fake_ensemble(lungs=True)
    monkeypatch.setattr(loading, "load_ensemble", lambda *_, **__: ensemble)
    status, out, _ = cli("check")
    assert status == 0
    assert findings(out)["Self-test"][0] == "ok"
    assert "the members saw a test image instead" in " ".join(out.split())


def test_too_little_memory_for_the_settings_is_a_warning(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "memory_limit", lambda: 64 * MIB)
    status, out, _ = cli("check")
    level, said = findings(out)["Memory"]
    assert (status, level) == (0, "warn")
    assert said.startswith("64 MiB available; ")


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_limit_of_a_container_counts(tmp_path: Path, file: str) -> None:
    path = tmp_path / "sys/fs/cgroup" / file
    path.parent.mkdir(parents=True)
    path.write_text("1048576\n")
    assert memory_limit(tmp_path) == 1048576


def test_a_container_without_a_limit_has_the_machines_memory(tmp_path: Path) -> None:
    path = tmp_path / "sys/fs/cgroup/memory.max"
    path.parent.mkdir(parents=True)
    path.write_text("max\n")
    assert memory_limit(tmp_path) == memory_limit(tmp_path / "nowhere") > 2**20
