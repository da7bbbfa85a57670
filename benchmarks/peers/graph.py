"""The work of one radiograph, as the peers do it: the service's imaging and the compiled graph."""

import json
import os

import numpy as np
import onnxruntime as ort

from service.imaging import InputSpec, decode, prepare

Answer = dict[str, str | float | list[float]]


class Graph:
    """The compiled graph that the environment names."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(os.environ["BENCH_THREADS"])
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(
            os.environ["BENCH_GRAPH"], options, providers=["CPUExecutionProvider"]
        )
        self._spec = InputSpec(**json.loads(os.environ["BENCH_INPUT"]))
        self._input = self._session.get_inputs()[0].name

    def answer(self, data: bytes) -> Answer:
        """Class, probability (mean of the members) and the members' of one radiograph."""
        near = max(self._spec.height, self._spec.width)
        batch = prepare(decode(data, near=near), self._spec)[None]
        members = self._session.run(["probabilities"], {self._input: batch})[0][0]
        probability = float(np.mean(members))
        return {
            "predicted_class": "PNEUMONIA" if probability > 0.5 else "NORMAL",
            "probability": probability,
            "members": [float(member) for member in members],
        }
