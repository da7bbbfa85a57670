"""The bundle on its way before there is a service: networks load while the web framework does."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread

from service.inference import Ensemble, load_ensemble
from service.screening.cpu_quota import available_cpus
from service.settings import Settings


def loading(settings: Settings) -> Callable[[], Ensemble]:
    """What loads the ensemble that the settings name; see ``load_ensemble``."""
    return partial(
        load_ensemble,
        settings.models_dir,
        # Every call may use every core: alone it does, and among others it gets its share.
        threads=settings.threads or available_cpus(),
        engine=settings.engine,
        precision=settings.precision,
    )


def begun(load: Callable[[], Ensemble]) -> Callable[[], Ensemble]:
    """Begin to load now, in a thread, and return what waits for the end of it.

    Reading, hashing and preparing networks leaves Python's lock to others for most of the time;
    importing modules is what others have to do meanwhile. The thread is a daemon: the process may
    end while a library is importing.

    Args:
        load: Gives the ensemble, or raises.

    Returns:
        A function that gives what ``load`` gave, or raises what it raised.
    """
    outcome: Future[Ensemble] = Future()

    def run() -> None:
        try:
            outcome.set_result(load())
        except BaseException as error:  # noqa: BLE001 - a library may even try to end the process
            outcome.set_exception(error)

    Thread(target=run, name="model-ahead", daemon=True).start()
    return outcome.result
