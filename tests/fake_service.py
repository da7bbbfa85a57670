"""``python -m tests.fake_service``: the real service on a real socket, with fake networks.

FAKE_DELAY_S is how long each image takes; FAKE_LOADING_S how long loading takes.
"""

import os
import time

from service.inference import Ensemble
from service.server import serve
from service.settings import Settings
from tests.fake_engine import FakeEngine, fake_ensemble


def _load() -> Ensemble:
    time.sleep(float(os.environ.get("FAKE_LOADING_S", "0")))
    return fake_ensemble(FakeEngine(delay_s=float(os.environ.get("FAKE_DELAY_S", "0"))))


if __name__ == "__main__":
    serve(Settings(), load=_load)
