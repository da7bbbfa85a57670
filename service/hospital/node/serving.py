"""From settings to a running node."""

import asyncio
import faulthandler
import logging.config
import os
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from pydicom import config as pydicom_config
from starlette.concurrency import run_in_threadpool

from service import __version__
from service.api.problems import known_errors
from service.api.state_metrics import model_info
from service.hospital.node.app import NodeState, create_node_app
from service.hospital.node.node import Node
from service.hospital.node.screener import MakeResults
from service.hospital.node.settings import NodeSettings
from service.inference import Ensemble
from service.observability.audit import open_audit
from service.observability.logs import install_exception_hooks, log_config
from service.observability.metrics import Metrics
from service.observability.middleware import Observer
from service.observability.tracing import make_tracer
from service.screening.loading import ModelLoader, ensemble_loader
from service.server.http import exit_cleanly_on_signals, uvicorn_config
from service.server.process import settle

log = logging.getLogger(__name__)


def serve_node(
    settings: NodeSettings,
    make_results: MakeResults,
    *,
    load: Callable[[], Ensemble] | None = None,
) -> None:
    """Run the node until SIGTERM or SIGINT, then finish what is being done and return.

    Args:
        settings: Every setting; ``dicom_send_to`` is set.
        make_results: Makes the objects that say what was found.
        load: Gives the ensemble; by default that of ``settings.models_dir``.

    Raises:
        AuditLogError: The audit log of the settings cannot be written.
        QueueError: The folder of the queue cannot be used.
        TlsError: Certificates or a key cannot be used.
        OSError: The port of the SCP cannot be used.
    """
    faulthandler.enable()
    logging.config.dictConfig(log_config(settings.log_level, settings.log_format))
    # Its warnings quote values of the files that it reads.
    warnings.simplefilter("ignore")
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    loader = ModelLoader(
        load or ensemble_loader(settings),
        max_pixels=settings.max_pixels,
        prevalence=settings.prevalence,
        on_ready=settle,
    )
    codes = {error.code for error in known_errors()}
    metrics = Metrics(version=__version__, problem_codes=codes, model=lambda: model_info(loader))
    audit = open_audit(settings.audit_log, settings.audit_max_mib)
    node = Node(settings, loader, make_results, metrics, audit)
    loader.start()
    ended = True

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal ended
        install_exception_hooks(asyncio.get_running_loop())
        node.start()
        try:
            yield
        finally:
            ended = await run_in_threadpool(node.stop, grace_s=settings.shutdown_seconds)

    observer = Observer(metrics, make_tracer(os.environ, __version__))
    app = create_node_app(
        NodeState(
            ae_title=settings.dicom_ae_title,
            loader=loader,
            queue=node.queue,
            stopping=lambda: node.stopping,
        ),
        intake=node.intake,
        observer=observer,
        keys=settings.named_keys,
        lifespan=lifespan,
    )

    config = uvicorn_config(app, settings, observer, grace_s=settings.shutdown_seconds)
    exit_cleanly_on_signals()
    try:
        uvicorn.Server(config).run()
    finally:
        observer.close()
        if audit is not None and ended:
            audit.close()
        if not ended:
            # What they were doing is in the queue, and will be done after the next start.
            log.warning("Stopped in the middle of an image; it stays in the queue")
            logging.shutdown()
            os._exit(0)
