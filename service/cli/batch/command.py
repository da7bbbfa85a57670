"""``pneumonia-xray batch``: screens an archive on a Ray cluster, into Parquet."""

import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from service.cli.errors import SOME_FAILED, SUCCESS, CommandError
from service.cli.files import PICTURE_SUFFIXES, find_files, printable_path
from service.cli.loading import load_model
from service.cli.output import print_message
from service.inference import BundleError, EngineChoice, PrecisionChoice, load_ensemble
from service.screening.screen import Screening
from service.settings import MIB, Settings

if TYPE_CHECKING:
    from service.cli.batch.run import Totals
    from service.cli.batch.source import Unit


def batch(source: str, out: str, address: str, settings: Settings, *, quiet: bool) -> int:
    """Screen a source into a folder of Parquet.

    Args:
        source: A folder, a file, a pattern, Parquet with the bytes of files, or a URI of them.
        out: Folder or URI of the result, which every node reaches.
        address: ``local``, or the address of a Ray cluster.
        settings: Model and limits; the folder of the model is at the same place on every node.
        quiet: Print only what failed.

    Returns:
        The exit code.

    Raises:
        CommandError: Nothing can be screened, or the result cannot be written.
    """
    try:
        from service.cli.batch import run
    except ImportError as error:
        raise CommandError(
            f"{error.name or 'A package'} is missing. Install the extra 'ray' of this package."
        ) from error
    load_model(settings)  # here as well, so that what is wrong with it is said once and in words
    place = out if "://" in out else str(Path(out).resolve())
    load = partial(
        load_screening,
        settings.models_dir.resolve(),
        settings.engine,
        settings.precision,
        settings.max_pixels,
    )
    try:
        units = find_units(source, place)
        _connect(address)
        totals = run.screen_units(
            units,
            place,
            load,
            max_bytes=settings.max_upload_mib * MIB,
            progress=(lambda *_: None) if quiet else _Progress(),
        )
    except BundleError as error:
        raise CommandError(f"A node of the cluster cannot load the model: {error}") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CommandError(f"{source} or {out} cannot be used: {reason}.") from error
    if not quiet:
        print_message(
            f"{totals.rows} films in {place}: {totals.failed} without a verdict, "
            f"{totals.kept} from an earlier run."
        )
    if totals.lost:
        print_message(
            f"{totals.lost} films were not screened: the process that screened their shard died "
            f"{run.RETRIES + 1} times. Run the same command to try again."
        )
    return SOME_FAILED if totals.failed or totals.lost else SUCCESS


def _connect(address: str) -> None:
    from service.cli.batch import run

    try:
        run.connect(address)
    except ConnectionError as error:
        raise CommandError(str(error)) from error


def find_units(source: str, out: str = "") -> "list[Unit]":
    """What a source holds, but for what an earlier run wrote into it.

    Args:
        source: A folder, a file, a pattern, Parquet, or a URI of them.
        out: The absolute folder or the URI of the result.

    Raises:
        CommandError: There is nothing.
        OSError: A source elsewhere cannot be listed.
    """
    from service.cli.batch.source import PARQUET, find_remote, units_of

    if "://" in source:
        units = units_of(find_remote(source, PICTURE_SUFFIXES, apart=out))
        if not units:
            raise CommandError(f"There is no picture in {source}.")
        return units
    found = find_files([source], frozenset({PARQUET}))
    for folder in found.unreadable_folders:
        print_message(f"The folder {printable_path(folder)} cannot be read.")
    paths = [path.absolute() for path in found.files]
    return units_of(
        str(path) for path in paths if path.suffix != PARQUET or str(path.parent.resolve()) != out
    )


class _Progress:
    """Says after each tenth of the shards how far it is, and how long the rest will take."""

    def __init__(self) -> None:
        self._said = 0
        self._started: float | None = None
        self._share = 0.0
        self._rows = 0

    def __call__(self, share: float, totals: "Totals") -> None:
        if self._started is None:  # the first shard waited for Ray and the model
            self._started, self._share, self._rows = time.monotonic(), share, totals.rows
        if int(10 * share) <= self._said:
            return
        self._said = int(10 * share)
        print_message(
            f"{share:.0%}: {totals.rows} films, {totals.failed} without a verdict"
            f"{self._outlook(share, totals)}"
        )

    def _outlook(self, share: float, totals: "Totals") -> str:
        seconds = time.monotonic() - (self._started or 0.0)
        if share >= 1 or share <= self._share or not seconds:
            return ""
        rest = timedelta(seconds=round((1 - share) * seconds / (share - self._share)))
        return f", {(totals.rows - self._rows) / seconds:.1f} per second, {rest} to go"


def load_screening(
    models_dir: Path, engine: EngineChoice, precision: PrecisionChoice, max_pixels: int
) -> Screening:
    """The use case for one processor."""
    ensemble = load_ensemble(models_dir, threads=1, engine=engine, precision=precision)
    return Screening(ensemble, max_pixels=max_pixels)
