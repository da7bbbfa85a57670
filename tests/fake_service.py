"""``python -m tests.fake_service``: the real service on a real socket, with fake networks.

FAKE_DELAY_S is how long each image takes; FAKE_LOADING_S how long loading takes; FAKE_VERSION is
the model's version. With
FAKE_NO_DISK the system lets the process write not one byte to any file, as if every disk were full.
"""

import os
import resource
import time

from service.inference import Ensemble
from service.server.serving import serve
from service.settings import Settings
from tests.fake_engine import FakeEngine, fake_ensemble


def _load() -> Ensemble:
    time.sleep(float(os.environ.get("FAKE_LOADING_S", "0")))
    engine = FakeEngine(delay_s=float(os.environ.get("FAKE_DELAY_S", "0")))
    return fake_ensemble(engine, version=os.environ.get("FAKE_VERSION", "1.2.3"))


if __name__ == "__main__":
    if os.environ.get("FAKE_NO_DISK"):
        os.chdir("/proc")  # where nothing can be made
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    serve(Settings(), load=_load)
