"""Loads the fake ensemble in an actor."""

import os
from pathlib import Path

import ray

from service.screening.screen import Screening
from tests.fake_engine import FakeEngine, fake_ensemble


def load_fake(version: str = "1.2.3", delay_s: float = 0.0, seen: str = "") -> Screening:
    """The use case with fake networks.

    Args:
        version: The model's version.
        delay_s: How long each film takes.
        seen: A folder that gets a file for each actor, named after its node.
    """
    if seen:
        node = ray.get_runtime_context().get_node_id()
        Path(seen, f"{node}.{os.getpid()}").touch()
    ensemble = fake_ensemble(FakeEngine(delay_s=delay_s), version=version)
    return Screening(ensemble, max_pixels=1_000_000)
