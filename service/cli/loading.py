"""Loads settings and model; errors become messages for the user."""

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from pydantic import ValidationError

from service.cli.errors import CommandError
from service.inference import BundleError, Ensemble, load_ensemble
from service.settings import Settings, complaints

S = TypeVar("S", bound=Settings)


@overload
def read_settings(options: Mapping[str, Any]) -> Settings: ...


@overload
def read_settings(options: Mapping[str, Any], kind: type[S]) -> S: ...


def read_settings(options: Mapping[str, Any], kind: type[Settings] = Settings) -> Settings:
    """Read the settings from the environment; options take precedence.

    Args:
        options: Values by name of setting; None where an option was not given.
        kind: Which settings.

    Raises:
        CommandError: A setting is out of range; the message says which.
    """
    try:
        return kind(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        raise CommandError("\n".join(complaints(error))) from error


def load_model(settings: Settings, *, threads: int = 1) -> Ensemble:
    """Verify and load the model bundle.

    Args:
        settings: Name the folder and the engine.
        threads: CPU threads that one call of TensorFlow may use.

    Raises:
        CommandError: The bundle cannot be verified or loaded; the message says why.
    """
    try:
        return load_ensemble(
            settings.models_dir,
            threads=threads,
            engine=settings.engine,
            precision=settings.precision,
        )
    except BundleError as error:
        raise CommandError(
            f"{error.message}\nThe models folder is {settings.models_dir}; choose another with "
            "--models or XRAY_MODELS_DIR."
        ) from error
