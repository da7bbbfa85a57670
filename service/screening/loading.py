"""Loads the model in the background while the service answers that it is not ready."""

import logging
import threading
from collections.abc import Callable
from functools import partial

from service.errors import ModelNotReadyError, ModelUnavailableError
from service.inference import BundleError, Ensemble, load_ensemble
from service.observability.logs import redacted_traceback
from service.screening.cpu_quota import available_cpus
from service.screening.screen import Screening
from service.settings import Settings

log = logging.getLogger(__name__)


def ensemble_loader(settings: Settings) -> Callable[[], Ensemble]:
    """What loads the ensemble of the settings; see ``load_ensemble``."""
    return partial(
        load_ensemble,
        settings.models_dir,
        # TensorFlow's calls may use every core: alone they do, and among others they get their
        # share.
        threads=settings.threads or available_cpus(),
        engine=settings.engine,
        precision=settings.precision,
    )


class ModelLoader:
    """Loads an ensemble once, in a thread of its own.

    Args:
        load: Verifies, loads and warms the bundle; blocks.
        max_pixels: See ``Screening``.
        prevalence: See ``Screening``.
        on_ready: Called in that thread once the model is ready.
    """

    def __init__(
        self,
        load: Callable[[], Ensemble],
        *,
        max_pixels: int,
        prevalence: float | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        self._load = load
        self._max_pixels = max_pixels
        self._prevalence = prevalence
        self._on_ready = on_ready
        self._started = False
        self._screening: Screening | None = None
        self._failure: str | None = None

    def start(self) -> None:
        """Start to load, unless that has happened already.

        The thread is a daemon: the process may end while a library is being imported.
        """
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="model-loader", daemon=True).start()

    def screening(self) -> Screening:
        """The use case with the loaded model.

        Raises:
            ModelNotReadyError: The bundle is still being loaded.
            ModelUnavailableError: It failed its check; the message says why.
        """
        if self._screening is not None:
            return self._screening
        if self._failure is not None:
            raise ModelUnavailableError(self._failure)
        raise ModelNotReadyError(
            "The model is still being loaded and checked. Please try again in a few seconds."
        )

    def _run(self) -> None:
        try:
            ensemble = self._load()
        except BundleError as error:
            log.error("The bundle failed its check: %s", error.message)
            self._failure = f"The model failed its check and is not used: {error.message}"
        except BaseException as error:  # noqa: BLE001 - a library may even try to end the process
            # No request is involved here, so the error's own text may be logged.
            log.error("The bundle could not be loaded: %r\n%s", error, redacted_traceback(error))
            self._failure = "The model could not be loaded. The log of the service says why."
        else:
            if ensemble.warning:
                log.warning("%s", ensemble.warning)
            self._screening = Screening(
                ensemble, max_pixels=self._max_pixels, prevalence=self._prevalence
            )
            manifest = ensemble.bundle.manifest
            log.info("Ready: %s %s, %s", manifest.name, manifest.version, ensemble.bundle.digest)
            if self._on_ready is not None:
                self._on_ready()
