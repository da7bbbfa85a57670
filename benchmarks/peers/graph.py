"""The work of one radiograph, as the peers do it: the use case of the service, without its HTTP."""

import os
from pathlib import Path
from typing import Any, cast

from service.inference import PrecisionChoice, load_ensemble
from service.screening.screen import Screening

Answer = dict[str, Any]

MAX_PIXELS = 100_000_000


class Graph:
    """The bundle that the environment names, answered by its compiled graphs."""

    def __init__(self) -> None:
        ensemble = load_ensemble(
            Path(os.environ["BENCH_BUNDLE"]),
            threads=int(os.environ["BENCH_THREADS"]),
            engine="onnx",
            precision=cast("PrecisionChoice", os.environ["BENCH_PRECISION"]),
        )
        self._screening = Screening(ensemble, max_pixels=MAX_PIXELS)

    def answer(self, data: bytes) -> Answer:
        """Class, probability and the members' own of one radiograph."""
        verdict = self._screening.screen(data)
        return {
            "predicted_class": verdict.predicted_class,
            "probability": verdict.probability,
            "members": [member.probability for member in verdict.members],
        }
