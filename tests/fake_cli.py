"""``python -m tests.fake_cli``: the real command line, with fake networks.

FAKE_DELAY_S is how long each image takes.
"""

import os
from unittest import mock

from service.cli import loading, main
from tests.fake_engine import FakeEngine, fake_ensemble

if __name__ == "__main__":
    ensemble = fake_ensemble(FakeEngine(delay_s=float(os.environ.get("FAKE_DELAY_S", "0"))))
    with mock.patch.object(loading, "load_ensemble", return_value=ensemble):
        main()
