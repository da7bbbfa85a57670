"""What Prometheus is told: counters of what happened, and the state at the moment of asking.

Each application has a registry of its own. No value of a label comes from a client: routes are the
service's own templates, and whatever it does not know is one value, so that nobody can make series
without end.
"""

from collections.abc import Iterable, Iterator
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from service.api.uploads import UploadMemory
from service.errors import RefusalError
from service.observability.stages import STAGES, Journal
from service.screening.admission import Admission
from service.screening.loading import ModelLoader
from service.screening.screen import Screening

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds: from a cached small image to the longest upload that is waited for."""


class Metrics:
    """The metrics of one application.

    Args:
        version: Of the service.
        admission: Its queue; so are ``memory`` and ``loader`` its other parts.
        codes: Codes of all problems, each of which starts at 0.
    """

    def __init__(
        self,
        *,
        version: str,
        admission: Admission,
        memory: UploadMemory,
        loader: ModelLoader,
        codes: Iterable[str],
    ) -> None:
        # When each series began would double the lines, and nobody asks for it here.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        # ``cache``: to find a series by its labels takes longer than to count in it.
        self._requests = cache(
            Counter(
                "xray_requests",
                "Requests answered.",
                ("route", "method", "status"),
                registry=registry,
            ).labels
        )
        self._in_flight = Gauge("xray_requests_in_flight", "Requests now.", registry=registry)
        self._problems = cache(
            Counter(
                "xray_problems", "Problems answered, by their code.", ("code",), registry=registry
            ).labels
        )
        self._verdicts = cache(
            Counter(
                "xray_verdicts", "Radiographs screened.", ("predicted_class",), registry=registry
            ).labels
        )
        self._total = cache(
            Histogram(
                "xray_request_seconds",
                "From a request's first byte to its answer's.",
                ("route",),
                buckets=BUCKETS_S,
                registry=registry,
            ).labels
        )
        stage_seconds = Histogram(
            "xray_stage_seconds",
            "Upload: receiving the body. Queue: waiting for a thread. Decode: bytes to pixels. "
            "Prepare: pixels to the networks' input. Each image of a batch counts.",
            ("stage",),
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._stages = {stage: stage_seconds.labels(stage) for stage in STAGES}
        self._loader = loader
        for code in sorted(codes):
            self._problems(code)
        registry.register(_State(version, admission, memory, loader))
        ProcessCollector(registry=registry)

    def began(self) -> None:
        """Count a request in."""
        self._in_flight.inc()

    def ended(self, journal: Journal) -> None:
        """Count a request out, with all that happened in it."""
        self._in_flight.dec()
        self.count(journal)

    def count(self, journal: Journal) -> None:
        """Count what happened in a request that never was in flight, such as one not HTTP."""
        self._requests(journal.route, journal.method, str(journal.status)).inc()
        if journal.total_s is not None:
            self._total(journal.route).observe(journal.total_s)
        for lap in tuple(journal.laps):
            self._stages[lap.stage].observe(lap.seconds)
        for code in tuple(journal.problems):
            self._problems(code).inc()
        for image in tuple(journal.images):
            if image.predicted_class is not None:
                self._verdicts(image.predicted_class).inc()

    def render(self) -> bytes:
        """Everything, in the text format of Prometheus."""
        screening = _screening(self._loader)
        if screening is not None:  # the classes start at 0 as soon as they are known
            labels = screening.ensemble.bundle.manifest.labels
            for label in (labels.negative, labels.positive):
                self._verdicts(label)
        return generate_latest(self._registry)


class _State(Collector):
    """What is read off the parts of the application whenever it is asked for."""

    def __init__(
        self, version: str, admission: Admission, memory: UploadMemory, loader: ModelLoader
    ) -> None:
        self._version = version
        self._admission = admission
        self._memory = memory
        self._loader = loader

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not collect to know the names."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Read it off."""
        admission = self._admission
        screening = _screening(self._loader)
        yield InfoMetricFamily("xray_service", "The service.", {"version": self._version})
        if screening is not None:
            bundle = screening.ensemble.bundle
            told = {
                "name": bundle.manifest.name,
                "version": bundle.manifest.version,
                "digest": bundle.digest,
                "engine": screening.ensemble.engine_name,
                "precision": screening.ensemble.precision,
            }
            yield InfoMetricFamily("xray_model", "The bundle that answers.", told)
        for name, meaning, value in (
            ("xray_model_ready", "1 when the bundle is checked and warm.", screening is not None),
            ("xray_draining", "1 once nothing new is taken.", admission.draining),
            ("xray_queue_waiting", "Radiographs that wait for a thread.", admission.waiting),
            ("xray_queue_places", "Most radiographs that may wait.", admission.places),
            ("xray_threads_busy", "Threads at work.", admission.running),
            ("xray_threads", "Inference threads.", admission.threads),
            ("xray_upload_memory_bytes", "Held by uploads now.", self._memory.held),
        ):
            yield GaugeMetricFamily(name, meaning, float(value))


def _screening(loader: ModelLoader) -> Screening | None:
    try:
        return loader.screening()
    except RefusalError:
        return None
