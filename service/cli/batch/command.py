"""``pneumonia-xray batch``: screens an archive on a Ray cluster, into Parquet."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from service.cli.errors import SOME_FAILED, SUCCESS, CommandError
from service.cli.files import PICTURE_SUFFIXES
from service.cli.loading import load_model
from service.cli.output import print_message
from service.inference import load_ensemble
from service.screening.screen import Screening
from service.settings import MIB, Settings

if TYPE_CHECKING:
    from service.cli.batch.run import Totals

EngineChoice = Literal["auto", "onnx", "tensorflow"]
PrecisionChoice = Literal["auto", "fp32", "int8"]


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
        from service.cli.batch.source import EmptySourceError, find_units
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
        found = find_units(
            source if "://" in source else str(Path(source).absolute()), PICTURE_SUFFIXES
        )
        run.connect(address)
        totals = run.screen_units(
            found,
            place,
            load,
            max_bytes=settings.max_upload_mib * MIB,
            progress=(lambda *_: None) if quiet else _Progress(),
        )
    except (EmptySourceError, ConnectionError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CommandError(f"{source} or {out} cannot be used: {reason}.") from error
    if not quiet:
        print_message(
            f"{totals.rows} films in {place}: {totals.failed} without a verdict, "
            f"{totals.kept} from an earlier run."
        )
    return SOME_FAILED if totals.failed else SUCCESS


class _Progress:
    """Says after each tenth of the shards how far it is."""

    _said = 0

    def __call__(self, share: float, totals: "Totals") -> None:
        if int(10 * share) > self._said:
            self._said = int(10 * share)
            print_message(f"{share:.0%}: {totals.rows} films, {totals.failed} without a verdict")


def load_screening(
    models_dir: Path, engine: EngineChoice, precision: PrecisionChoice, max_pixels: int
) -> Screening:
    """The use case in an actor, which has one thread."""
    ensemble = load_ensemble(models_dir, threads=1, engine=engine, precision=precision)
    return Screening(ensemble, max_pixels=max_pixels)
