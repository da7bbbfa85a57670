"""Fixtures that tests of several folders share."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest

from service.api.app import create_app
from service.settings import Settings
from tests.fake_engine import fake_ensemble
from tests.serving import LiveService, client_of


def pytest_configure(config: pytest.Config) -> None:
    """Register our markers, and let no example fail because the machine is busy."""
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
    config.addinivalue_line("markers", "tensorflow: loads TensorFlow, which takes seconds")
    # A shell has what it starts in the background ignore Ctrl-C, and all that this starts in turn.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the service runs on."""
    return "asyncio"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application in this process, ready, with fake networks."""
    async with client_of(create_app(Settings(threads=2), load=fake_ensemble)) as client:
        yield client


@pytest.fixture
def live_service() -> Iterator[LiveService]:
    """A service with fake networks in a process of its own, on a real socket."""
    with LiveService() as service:
        yield service


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two tiny random networks, made once. Takes TensorFlow."""
    from tests.tiny_bundle import write_tiny_bundle  # noqa: PLC0415 - it imports TensorFlow

    return write_tiny_bundle(tmp_path_factory.mktemp("tiny"))
