"""The application's metrics: its state is read off its parts when Prometheus scrapes."""

from service import __version__
from service.api.problems import known_errors
from service.api.uploads import UploadMemory
from service.errors import ServiceError
from service.observability.metrics import Metrics, ModelInfo
from service.screening.admission import Admission
from service.screening.loading import ModelLoader


def make_metrics(admission: Admission, memory: UploadMemory, loader: ModelLoader) -> Metrics:
    """Make the metrics of an application with these parts."""
    codes = {error.code for error in known_errors()}
    metrics = Metrics(version=__version__, problem_codes=codes, model=lambda: model_info(loader))
    for name, description, read in (
        ("xray_draining", "1 during shutdown.", lambda: float(admission.draining)),
        ("xray_queue_waiting", "Radiographs in the queue.", lambda: admission.waiting),
        ("xray_queue_places", "Capacity of the queue.", lambda: admission.places),
        ("xray_threads_busy", "Busy inference threads.", lambda: admission.running),
        ("xray_threads", "Inference threads.", lambda: admission.threads),
        ("xray_upload_memory_bytes", "Memory held by uploads.", lambda: memory.held),
    ):
        metrics.add_gauge(name, description, read)
    return metrics


def model_info(loader: ModelLoader) -> ModelInfo | None:
    """The loaded model; None while there is none."""
    try:
        ensemble = loader.screening().ensemble
    except ServiceError:
        return None
    manifest = ensemble.bundle.manifest
    labels = {
        "name": manifest.name,
        "version": manifest.version,
        "digest": ensemble.bundle.digest,
        "engine": ensemble.engine_name,
        "precision": ensemble.precision,
    }
    return ModelInfo(labels, classes=(manifest.labels.negative, manifest.labels.positive))
