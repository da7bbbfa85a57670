"""A service that is launched has begun to load its bundle before the web framework is there."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.inference import BundleError, Ensemble
from service.server import launch as module
from service.server import serving as server
from service.settings import Settings

ROOT = Path(__file__).parents[1]

# What stands for loading lasts until the framework is there, which only others can bring about.
CODE = """
import os, sys, time
from service.server import launch as module
from service.settings import Settings

def has_framework():
    return "fastapi.applications" in sys.modules

def load():
    print(has_framework(), flush=True)
    end = time.monotonic() + 30
    while not has_framework() and time.monotonic() < end:
        time.sleep(0.001)
    print(has_framework(), flush=True)
    os._exit(0)

module.loading = lambda settings: load
module.launch(Settings(port=0))
"""


def test_networks_load_while_the_web_framework_is_imported() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert run.stdout.split() == ["False", "True"]


POLICY = """
import os
from service.server import launch as module
from service.settings import Settings

def load():
    print(os.sched_getscheduler(0) == os.SCHED_BATCH, flush=True)
    os._exit(0)

module.loading = lambda settings: load
module.launch(Settings(port=0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the policy is Linux'")
def test_work_is_not_interrupted_from_the_first_thread_on() -> None:
    run = subprocess.run(
        [sys.executable, "-c", POLICY], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert run.stdout.split() == ["True"]


def test_it_serves_with_the_bundle_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served: list[Settings] = []

    def serve(settings: Settings, *, load: Callable[[], Ensemble]) -> None:
        served.append(settings)
        with pytest.raises(BundleError):
            load()

    monkeypatch.setattr(server, "serve", serve)
    # Both would hold for all tests after this one.
    monkeypatch.setattr(module, "let_work_finish", bool)
    monkeypatch.setattr(module, "leave_out_pydantic_1", bool)
    settings = Settings(models_dir=tmp_path / "nowhere")
    module.launch(settings)
    assert served == [settings]
