"""Loads the fake ensemble in a cluster."""

import os
import signal
from pathlib import Path
from uuid import uuid4

import ray

from service.inference import BundleError
from service.screening.screen import Screening
from service.screening.verdict import Verdict
from tests.fake_engine import FakeEngine, fake_ensemble


def load_fake(version: str = "1.2.3", delay_s: float = 0.0, seen: str = "") -> Screening:
    """The use case with fake networks.

    Args:
        version: The model's version.
        delay_s: How long each film takes.
        seen: A folder that gets a file for each call, named after its node and process.
    """
    if seen:
        node = ray.get_runtime_context().get_node_id()
        Path(seen, f"{node}.{os.getpid()}.{uuid4().hex}").touch()
    ensemble = fake_ensemble(FakeEngine(delay_s=delay_s), version=version)
    return Screening(ensemble, max_pixels=1_000_000)


DEADLY = b"deadly"


class Mortal(Screening):
    """Crashes on a certain file, as a decoder with a bug would."""

    def screen(self, data: bytes, *, prevalence: float | None = None) -> Verdict:
        if data == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().screen(data, prevalence=prevalence)


def load_mortal() -> Screening:
    """The use case with fake networks that crashes on ``DEADLY``."""
    return Mortal(fake_ensemble(FakeEngine(), version="1"), max_pixels=1_000_000)


def load_nothing() -> Screening:
    """As on a node without the models folder."""
    raise BundleError("The models folder does not exist or cannot be read.")
