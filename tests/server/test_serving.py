"""What happens before the socket opens; tests/integration covers the service at work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The fake load lasts until FastAPI is imported, which only the main thread can do.
CODE = """
import os, sys, time
from service.server.serving import serve
from service.settings import Settings

def has_framework():
    return "fastapi.applications" in sys.modules

def load():
    print(has_framework(), flush=True)
    end = time.monotonic() + 30
    while not has_framework() and time.monotonic() < end:
        time.sleep(0.001)
    print(has_framework(), flush=True)
    if hasattr(os, "SCHED_BATCH"):
        print(os.sched_getscheduler(0) == os.SCHED_BATCH, flush=True)
    os._exit(0)

serve(Settings(port=0), load=load)
"""


def test_the_model_loads_while_the_web_framework_is_imported() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    before, after, *_ = run.stdout.split()
    assert (before, after) == ("False", "True")


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="the policy exists on Linux only")
def test_every_thread_has_the_batch_policy() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert run.stdout.split()[2] == "True"
