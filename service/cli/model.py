"""``pneumonia-xray model``: verifies the model bundle and describes it."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.loading import load_model
from service.cli.output import print_line, to_json
from service.inference import Ensemble, Manifest
from service.screening.operating_point import estimate_of
from service.settings import Settings

_PIPE_WIDTH: Final = 400


def model(settings: Settings, *, as_json: bool) -> None:
    """Verify and load the bundle, and print its manifest and its measured performance.

    Args:
        settings: Name the folder and the engine.
        as_json: Print the answer of ``/model`` instead.

    Raises:
        CommandError: The bundle cannot be verified or loaded.
    """
    ensemble = load_model(settings)
    if as_json:
        # The schemas import the web framework, which the tables do not need.
        from service.api.model_schema import Model

        answer = Model.from_ensemble(ensemble).model_dump_json()
        print_line(to_json(json.loads(answer), indent=2))
        return
    # Without a terminal, lines need not be wrapped.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    console.print(_facts(ensemble))
    figures = _figures(ensemble.bundle.manifest)
    if figures is not None:
        console.print()
        console.print(figures)


def _facts(ensemble: Ensemble) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(ensemble):
        table.add_row(name, Text(value))
    return table


def _lines(ensemble: Ensemble) -> Iterator[tuple[str, str]]:
    bundle, manifest = ensemble.bundle, ensemble.bundle.manifest
    verified = {
        "manifest": "every file matches its digest in the manifest",
        "bring-your-own": "no manifest: two networks, used as in the original script",
    }
    yield "Model", f"{manifest.name} {manifest.version}"
    yield "Verified", verified[bundle.provenance]
    yield "Digest", bundle.digest
    yield "Folder", str(bundle.directory)
    yield "Engine", f"{ensemble.engine_name}, {ensemble.precision}"
    if ensemble.warning:
        yield "Warning", ensemble.warning
    spec = manifest.input
    yield (
        "Input",
        f"{spec.width} x {spec.height} pixels, {spec.channels} channel(s), {spec.resampling}",
    )
    for member in manifest.members:
        details = ", ".join(filter(None, (member.view, member.architecture)))
        yield "Member", f"{member.name}: {member.file}, sha256 {member.sha256}"
        if details and details != member.name:
            yield "", details
    yield "Combined by", manifest.combine
    calibration = manifest.calibration
    if calibration.method == "none":
        yield "Calibration", "none"
    else:
        yield (
            "Calibration",
            f"{calibration.method}: slope {calibration.slope:g}, intercept "
            f"{calibration.intercept:g}; fitted on {calibration.fitted_on or 'unknown data'}",
        )
    labels, threshold = manifest.labels, manifest.threshold
    yield "Threshold", f"{labels.positive} above {threshold.value:g}, else {labels.negative}"
    yield "Rule", threshold.rule
    if manifest.training_data is not None:
        data = manifest.training_data
        yield "Trained on", f"{data.images} images of {data.patients} patients: {data.description}"
    if manifest.metrics is not None:
        yield "Measured", manifest.metrics.protocol


def _figures(manifest: Manifest) -> Table | None:
    """The metrics that have an interval, for the ensemble and each network."""
    whole = manifest.metrics.figures.get("ensemble") if manifest.metrics else None
    if not isinstance(whole, dict):
        return None
    columns: list[Mapping[str, JsonValue]] = [whole, *(m.metrics for m in manifest.members)]
    names = [name for name, value in whole.items() if _with_interval(value)]
    if not names:
        return None
    table = Table("95 % interval", box=None, pad_edge=False, header_style="bold")
    for heading in ("ensemble", *(member.name for member in manifest.members)):
        table.add_column(heading, justify="right")
    for name in names:
        table.add_row(name, *(_with_interval(column.get(name)) for column in columns))
    return table


def _with_interval(value: JsonValue) -> str:
    """Write an estimate with its interval; empty if the value is not one."""
    estimate = estimate_of(value)
    return f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})" if estimate else ""
