"""``python -m tests.fake_node``: the real node on real sockets, with fake networks that see lungs.

FAKE_DELAY_S is how long each image takes.
"""

import os

from service.cli.dicom import serve
from service.inference import Ensemble
from tests.fake_engine import FakeEngine, fake_ensemble


def _load() -> Ensemble:
    delay_s = float(os.environ.get("FAKE_DELAY_S", "0"))
    return fake_ensemble(FakeEngine(delay_s=delay_s), lungs=True)


if __name__ == "__main__":
    serve({}, load=_load)
