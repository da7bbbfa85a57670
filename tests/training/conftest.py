"""A small data set of phantoms, laid out and named as the public download is."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.phantom import phantom

# PyTorch comes with the extra `train` only.
collect_ignore = (
    [] if find_spec("torch") else ["export", "fit", "models", "test_graphs.py", "test_program.py"]
)

PATIENTS = 10
"""Patients of each stream; the first of each has two images."""


def write_data_set(folder: Path, side: int = 64) -> Path:
    """Write ``train/NORMAL`` and ``train/PNEUMONIA``; cloudy phantoms have pneumonia."""
    normal, pneumonia = folder / "train/NORMAL", folder / "train/PNEUMONIA"
    normal.mkdir(parents=True)
    pneumonia.mkdir()
    for number in range(1, PATIENTS + 1):
        images = {
            normal / f"IM-{number:04d}-0001.jpeg": 0.0,
            normal / f"NORMAL2-IM-{number:04d}-0001.jpeg": 0.0,
            pneumonia / f"person{number}_bacteria_{number}.jpeg": 1.0,
            pneumonia / f"person{number}_virus_{number}.jpeg": 0.8,
        }
        if number == 1:
            images[normal / "IM-0001-0002.jpeg"] = 0.0
            images[pneumonia / "person1_bacteria_99.jpeg"] = 1.0
        for path, opacity in images.items():
            seed = sum(path.name.encode()) * 31 + number
            phantom(seed, (side + 8, side), opacity).save(path, quality=90)
    return folder


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder shared by tests that do not change it."""
    return write_data_set(tmp_path_factory.mktemp("data") / "chest_xray")


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Small networks wait for each other's threads longer than they compute."""
    import torch  # noqa: PLC0415

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
