import json
import os
import platform
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from service import __version__
from service.cli.app import app
from tests.cli.conftest import Cli
from tests.serving import ROOT, radiograph


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['pneumonia-xray', '--help']\n"
        "from service.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'PIL', 'onnxruntime', 'pydantic', 'fastapi', 'reportlab'}\n"
        "print(heavy & set(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == "set()\n"
    for command in ("serve", "predict", "model", "check"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "command",
    [each.name or each.callback.__name__ for each in app.registered_commands if each.callback],
)
def test_every_command_has_help(cli: Cli, command: str) -> None:
    status, out, _ = cli(command, "--help")
    assert status == 0
    assert f"{command} [OPTIONS]" in out


def test_it_prints_its_version(cli: Cli) -> None:
    assert cli("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("command", [["serve"], ["predict", "."], ["model"], ["check"]])
def test_native_windows_is_refused_in_words(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    status, out, err = cli(*command)
    assert (status, out) == (2, "")
    assert err.startswith("Native Windows is not supported. Use WSL 2")


@pytest.mark.parametrize("wrong", [["predict"], ["predict", "--lang", "fr", "x"], ["diagnose"]])
def test_wrong_usage_exits_with_2(cli: Cli, wrong: list[str]) -> None:
    assert cli(*wrong).status == 2


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{__version__}\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]])
def test_every_name_can_be_printed_in_every_encoding(
    tmp_path: Path, encoding: str, options: list[str]
) -> None:
    file = tmp_path / "niña 肺.png"
    file.write_bytes(b"no picture")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fake_cli", "predict", str(file), *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    printed = str(file).encode(encoding, "backslashreplace")
    assert printed + b": " in done.stderr
    if options == ["--json"]:
        assert json.loads(done.stdout.decode(encoding))["path"] == str(file)
    elif not options:
        assert printed + b"\tunsupported_format" in done.stdout


def test_in_a_terminal_verdicts_are_a_table_below_a_progress_bar(tmp_path: Path) -> None:
    for seed in range(3):
        (tmp_path / f"{seed}.png").write_bytes(radiograph(seed))
    (tmp_path / "cut.png").write_bytes(radiograph(1)[:3000])
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fake_cli", "predict", "."],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "TERM": "xterm"},
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how Linux says that the other side has closed
            while piece := os.read(ours, 65536):
                shown += piece
    os.close(ours)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).splitlines()
    assert process.returncode == 1
    assert any("Screening" in line and "4/4" in line for line in lines)
    [head] = [number for number, line in enumerate(lines) if line.startswith("File ")]
    assert lines[head].split()[1:4] == ["Assessment", "Class", "Probability"]
    names, words = zip(*(line.split()[:2] for line in lines[head + 1 : head + 5]), strict=True)
    assert names == ("0.png", "1.png", "2.png", "cut.png")
    assert words[3] == "failed"
    assert set(words[:3]) <= {"pneumonia", "normal"}
