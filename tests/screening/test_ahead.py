import threading
from pathlib import Path

import pytest

from service.inference import BundleError, Ensemble
from service.screening.ahead import begun, loading
from service.settings import Settings
from tests.fake_engine import fake_ensemble


def test_loading_begins_before_anybody_waits_for_it() -> None:
    began, go_on = threading.Event(), threading.Event()
    ensemble = fake_ensemble()

    def load() -> Ensemble:
        began.set()
        assert go_on.wait(10)
        return ensemble

    wait = begun(load)
    assert began.wait(10)
    go_on.set()
    assert wait() is ensemble


@pytest.mark.parametrize("error", [BundleError("It does not verify."), SystemExit(3)])
def test_what_loading_raises_is_raised_where_it_is_waited_for(error: BaseException) -> None:
    def load() -> Ensemble:
        raise error

    wait = begun(load)
    with pytest.raises(type(error)) as raised:
        wait()
    assert raised.value is error


def test_the_bundle_of_the_settings_is_loaded(tmp_path: Path) -> None:
    load = loading(Settings(models_dir=tmp_path / "nowhere"))
    with pytest.raises(BundleError):
        load()
