import logging
import threading
import time

import pytest

from service.api.model_schema import Model
from service.errors import ModelNotReadyError, ModelUnavailableError
from service.inference import BundleError, Ensemble
from service.screening.loading import ModelLoader
from service.screening.screen import Screening
from tests.fake_engine import FakeEngine, fake_bundle, fake_ensemble


def settled(loader: ModelLoader) -> Screening:
    """The screening, or the refusal that is not about loading."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return loader.screening()
        except ModelNotReadyError:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def test_before_it_starts_there_is_no_model() -> None:
    with pytest.raises(ModelNotReadyError):
        ModelLoader(fake_ensemble, max_pixels=1024).screening()


def test_while_it_loads_it_says_so_and_then_gives_the_model() -> None:
    go_on = threading.Event()
    ensemble = fake_ensemble()

    def load() -> Ensemble:
        assert go_on.wait(10)
        return ensemble

    loader = ModelLoader(load, max_pixels=1024)
    loader.start()
    with pytest.raises(ModelNotReadyError) as refusal:
        loader.screening()
    assert refusal.value.retry_after_s is not None
    go_on.set()
    assert settled(loader).ensemble is ensemble


def test_a_bundle_that_fails_its_check_is_named_as_the_reason() -> None:
    def load() -> Ensemble:
        raise BundleError("The file x.keras is not the one that the manifest describes.")

    loader = ModelLoader(load, max_pixels=1024)
    loader.start()
    with pytest.raises(ModelUnavailableError) as refusal:
        settled(loader)
    assert "x.keras" in refusal.value.message


def test_any_other_failure_is_told_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Ensemble:
        raise ImportError("no such library in /opt/secret")

    loader = ModelLoader(load, max_pixels=1024)
    with caplog.at_level(logging.ERROR):
        loader.start()
        with pytest.raises(ModelUnavailableError) as refusal:
            settled(loader)
    assert "secret" not in refusal.value.message
    assert "no such library" in caplog.text


def test_a_warning_about_the_engine_reaches_log_and_description(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ensemble = Ensemble(fake_bundle(), FakeEngine(), warning="The graph is out of date.")
    loader = ModelLoader(lambda: ensemble, max_pixels=1024)
    with caplog.at_level(logging.WARNING):
        loader.start()
        screening = settled(loader)
    assert "The graph is out of date." in caplog.text
    assert Model.from_ensemble(screening.ensemble).warning == "The graph is out of date."
