"""The model on its way: loaded in the background while the service answers that it is not ready."""

import logging
import threading
from collections.abc import Callable

from service.errors import ModelNotReadyError, ModelUnavailableError
from service.inference import BundleError, Ensemble
from service.observability.logs import redacted_traceback
from service.screening.screen import Screening

log = logging.getLogger(__name__)

RETRY_AFTER_LOADING_S = 5
RETRY_AFTER_FAILURE_S = 60


class ModelLoader:
    """Loads an ensemble once, in a thread of its own, and says how far it is.

    Args:
        load: Verifies, loads and warms the bundle; blocks.
        max_pixels: Handed to the screening.
    """

    def __init__(self, load: Callable[[], Ensemble], *, max_pixels: int) -> None:
        self._load = load
        self._max_pixels = max_pixels
        self._screening: Screening | None = None
        self._failure: str | None = None

    def start(self) -> None:
        """Begin to load, in a daemon thread: the process may end while a library is importing."""
        threading.Thread(target=self._run, name="model-loader", daemon=True).start()

    def screening(self) -> Screening:
        """What answers requests.

        Raises:
            ModelNotReadyError: The bundle is still being loaded.
            ModelUnavailableError: It failed its check; the message says why.
        """
        if self._screening is not None:
            return self._screening
        if self._failure is not None:
            raise ModelUnavailableError(self._failure, retry_after_s=RETRY_AFTER_FAILURE_S)
        raise ModelNotReadyError(
            "The model is still being loaded and checked. Please try again in a few seconds.",
            retry_after_s=RETRY_AFTER_LOADING_S,
        )

    def _run(self) -> None:
        try:
            ensemble = self._load()
        except BundleError as error:
            log.error("The bundle failed its check: %s", error.message)
            self._failure = f"The model failed its check and is not used: {error.message}"
        except BaseException as error:  # noqa: BLE001 - a library may even try to end the process
            # Nothing of a request is in play here, so the error's own text may be told.
            log.error("The bundle could not be loaded: %r\n%s", error, redacted_traceback(error))
            self._failure = "The model could not be loaded. The log of the service says why."
        else:
            if ensemble.warning:
                log.warning("%s", ensemble.warning)
            self._screening = Screening(ensemble, max_pixels=self._max_pixels)
            manifest = ensemble.bundle.manifest
            log.info("Ready: %s %s, %s", manifest.name, manifest.version, ensemble.bundle.digest)
