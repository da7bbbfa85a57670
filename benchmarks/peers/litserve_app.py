"""LitServe around the compiled graphs: the way its documentation serves uploaded images."""

import os

import litserve
from fastapi import Request

from benchmarks.peers.graph import Answer, Graph


class Xray(litserve.LitAPI):
    """One copy of the graphs in each worker process."""

    def setup(self, device: str) -> None:
        """Load the graphs; runs once in each worker."""
        self._graph = Graph()

    def decode_request(self, request: Request) -> bytes:
        """The bytes of the uploaded file; LitServe hands on the parsed form."""
        data: bytes = request["file"].file.read()
        return data

    def predict(self, data: bytes) -> Answer:
        """Class and probability."""
        return self._graph.answer(data)

    def encode_response(self, output: Answer) -> Answer:
        """The answer as it is."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Xray(), accelerator="cpu", workers_per_device=int(os.environ["BENCH_WORKERS"])
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",  # no line for each request
    )
