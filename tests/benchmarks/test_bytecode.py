from importlib.util import cache_from_source
from pathlib import Path

import pytest

from benchmarks.bytecode import PACKAGES, compile_bytecode


def test_every_module_is_compiled_even_without_bytecode_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    package = tmp_path / "package"
    below = package / "below"
    below.mkdir(parents=True)
    modules = [package / "one.py", below / "two.py"]
    for module in modules:
        module.write_text("A = 1\n")
    assert compile_bytecode([package])
    assert all(Path(cache_from_source(str(module))).exists() for module in modules)


def test_a_failed_compilation_is_reported(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder in (good, bad):
        folder.mkdir()
    (good / "module.py").write_text("A = 1\n")
    # Stands for a folder that nothing can be written in, which holds for no test run by root.
    (bad / "module.py").write_text("A = 1\n")
    (bad / "__pycache__").write_text("")
    assert not compile_bytecode([bad, good])
    assert Path(cache_from_source(str(good / "module.py"))).exists()


def test_the_packages_of_the_contenders_are_compiled() -> None:
    assert {package.name for package in PACKAGES} == {"service", "benchmarks"}
    assert all(package.is_dir() for package in PACKAGES)
