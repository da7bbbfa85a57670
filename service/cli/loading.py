"""From the settings to a loaded model, or a sentence that says why there is none."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from service.cli.refusing import CannotError
from service.inference import BundleError, Ensemble, load_ensemble
from service.settings import Settings, complaints


def settings_with(given: Mapping[str, Any]) -> Settings:
    """Read the settings from the environment; options that were given take precedence.

    Args:
        given: Options by the name of their setting; None where one was not given.

    Raises:
        CannotError: A setting is out of range; it says which.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise CannotError("\n".join(complaints(error))) from error


def load(settings: Settings, *, threads: int = 1) -> Ensemble:
    """Verify and load the bundle of the settings.

    Args:
        settings: Name the folder and the engine.
        threads: Processor threads that one call of the engine may use.

    Raises:
        CannotError: The folder does not verify or cannot be computed here; it says why.
    """
    try:
        return load_ensemble(
            settings.models_dir,
            threads=threads,
            engine=settings.engine,
            precision=settings.precision,
        )
    except BundleError as error:
        raise CannotError(
            f"{error.message}\nThe models folder is {settings.models_dir}; --models or "
            "XRAY_MODELS_DIR names another."
        ) from error
