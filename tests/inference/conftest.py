"""An ensemble of real networks; loading it takes TensorFlow, so all tests share it."""

from pathlib import Path

import pytest

from service.inference import Ensemble, load_ensemble


@pytest.fixture(scope="session")
def tiny_ensemble(tiny_folder: Path) -> Ensemble:
    """The loaded ensemble of the shared models folder."""
    return load_ensemble(tiny_folder, threads=2)
