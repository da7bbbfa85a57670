"""What tests of real networks share."""

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras, for tests that build networks."""
    import keras  # noqa: PLC0415 - loading it takes seconds

    return keras


@pytest.fixture
def models(tiny_folder: Path, tmp_path: Path) -> Path:
    """A models folder that the test may change."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "models"))
