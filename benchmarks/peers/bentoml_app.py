"""BentoML around the compiled graphs: the way its documentation serves uploaded files."""

import os
from pathlib import Path

import bentoml

from benchmarks.peers.graph import Answer, Graph


@bentoml.service(workers=int(os.environ["BENCH_WORKERS"]), logging={"access": {"enabled": False}})
class Xray:
    """One copy of the graphs in each worker process."""

    def __init__(self) -> None:
        self._graph = Graph()

    @bentoml.api(route="/predict")
    def predict(self, file: Path) -> Answer:
        """Class and probability of the uploaded file."""
        return self._graph.answer(file.read_bytes())
