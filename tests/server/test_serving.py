"""What surrounds the application in its own process; tests/integration has it at work."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

CODE = """
import threading
from service.server import serving as server
from service.settings import Settings
from tests.fake_engine import fake_ensemble

def tell(*_):
    print("tidy" in {thread.name for thread in threading.enumerate()})

server.DrainingServer.run = tell
server.serve(Settings(), load=fake_ensemble)
tell()
"""


def test_it_is_tidied_as_long_as_it_serves() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert run.stdout.split() == ["True", "False"]
