"""Explanations for tests, made of the synthetic chest and the fake networks."""

from collections.abc import Sequence

import numpy as np

from service.screening.explanation import Explanation, Unexplained
from service.screening.screen import Screening
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.serving import radiograph


def screening(*, explains: bool = True, lungs: bool = False) -> Screening:
    """The use case with fake networks, which allow maps or not, and see the lungs or the frame."""
    ensemble = fake_ensemble(FakeEngine(explains=explains), lungs=lungs)
    return Screening(ensemble, max_pixels=30_000_000)


def explanation(heat: Sequence[Sequence[float]] | None = None, *, seed: int = 1) -> Explanation:
    """The explanation of a phantom, with this map for both networks or with their own."""
    made = screening().explain(radiograph(seed))
    if heat is None:
        return made
    maps = np.stack([np.asarray(heat, dtype=np.float32)] * 2)
    return Explanation(made.verdict, made.radiograph, maps)


def unexplained(*, seed: int = 1) -> Unexplained:
    """What is left where the networks allow no map."""
    made = screening(explains=False).explain_if_possible(radiograph(seed))
    assert isinstance(made, Unexplained)
    return made
