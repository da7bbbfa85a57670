"""From settings to a running service."""

import faulthandler
import logging
import logging.config
import sys
from collections.abc import Callable

from service.inference import Ensemble
from service.observability.audit import AuditLogError, open_audit
from service.observability.logs import log_config
from service.screening.loading import ModelLoader, ensemble_loader
from service.server.process import settle, use_batch_scheduling
from service.settings import Settings

log = logging.getLogger(__name__)


def serve(settings: Settings, *, load: Callable[[], Ensemble] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, answer what is in flight, and return.

    If the audit log that the settings name cannot be written, the process ends with status 2.

    Args:
        settings: Every setting.
        load: Gives the ensemble; by default that of ``settings.models_dir``.
    """
    faulthandler.enable()
    logging.config.dictConfig(log_config(settings.log_level, settings.log_format))
    try:
        audit = open_audit(settings.audit_log, settings.audit_max_mib)
    except AuditLogError as error:
        log.critical("XRAY_AUDIT_LOG: %s", error)
        sys.exit(2)
    use_batch_scheduling()  # before the first thread is started, for threads inherit it
    loader = ModelLoader(
        load or ensemble_loader(settings),
        max_pixels=settings.max_pixels,
        prevalence=settings.prevalence,
        on_ready=settle,
    )
    loader.start()
    # FastAPI takes half a second to import; the model loads meanwhile.
    from service.server.http import serve_http  # noqa: PLC0415

    serve_http(settings, loader, audit)
