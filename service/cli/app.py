"""The commands and their options. What a command does is in the module of its name."""

# Each command imports its module when it runs: NumPy, the engine and the web framework take too
# long to load for `--help`.

import sys
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from service import __version__
from service.cli.dicom_app import dicom
from service.cli.errors import exit_on_error
from service.cli.options import JsonOption, ModelsOption, QuietOption

app = typer.Typer(
    name="pneumonia-xray",
    help="Estimate the probability of pneumonia in chest radiographs of children. Decision "
    "support, not a diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dicom)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


class Language(StrEnum):
    """Languages of the reports."""

    ES = "es"
    EN = "en"


@app.command()
def serve(
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Address to listen on. Default: XRAY_HOST."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="Port to listen on; 0 for any free port. Default: XRAY_PORT."
        ),
    ] = None,
    models: ModelsOption = None,
) -> None:
    """Serve over HTTP, like `python -m service`. XRAY_* variables set everything else."""
    with exit_on_error():
        from service.cli.loading import read_settings
        from service.server import serving

        serving.serve(read_settings({"host": host, "port": port, "models_dir": models}))


@app.command(
    epilog="Exit code: 0 if every file was screened, 1 if some failed, 2 if the command could not "
    "run, 130 if it was interrupted. Run the same command again to resume an interrupted table."
)
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, folders (searched recursively), patterns."),
    ],
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            help="Write a CSV table, row by row; resumes the table if FILE exists.",
        ),
    ] = None,
    as_json: JsonOption = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="DIR", help="Write a PDF report of each radiograph to DIR."
        ),
    ] = None,
    dicom_out: Annotated[
        Path | None,
        typer.Option(
            "--dicom-out",
            metavar="DIR",
            help="Write results for the PACS to DIR for each DICOM file: structured report, PDF, "
            "radiograph with map, lungs.",
        ),
    ] = None,
    lang: Annotated[
        Language, typer.Option("--lang", help="Language of the reports and results.")
    ] = Language.ES,
    prevalence: Annotated[
        float | None,
        typer.Option(
            "--prevalence",
            metavar="SHARE",
            help="Share of pneumonia among these films, above 0 and below 1: says what each answer "
            "amounts to there. Default: XRAY_PREVALENCE.",
        ),
    ] = None,
    models: ModelsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Screen radiographs: single files or whole folders."""
    with exit_on_error():
        from service.cli.loading import read_settings
        from service.cli.predict import PredictOptions
        from service.cli.predict import predict as run

        options = PredictOptions(
            csv=csv,
            json=as_json,
            report=report,
            dicom_out=dicom_out,
            language=lang.value,
            quiet=quiet,
        )
        settings = read_settings({"models_dir": models, "prevalence": prevalence})
        raise typer.Exit(run(paths, settings, options))


@app.command(
    epilog="Exit code: as for `predict`. Run the same command again to complete a run that stopped "
    "early, or to screen what is new."
)
def batch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder, a file, a pattern, Parquet with a column `bytes`, or a URI of them.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="DIR", help="Folder or URI of the Parquet; every node reaches it."
        ),
    ],
    address: Annotated[
        str,
        typer.Option("--ray", metavar="ADDRESS", help="Head of a Ray cluster, or `local`."),
    ] = "local",
    models: ModelsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Screen an archive on a Ray cluster (extra `ray`): one row of Parquet for each film."""
    with exit_on_error():
        from service.cli.batch.command import batch as run
        from service.cli.loading import read_settings

        settings = read_settings({"models_dir": models})
        raise typer.Exit(run(source, out, address, settings, quiet=quiet))


@app.command()
def model(models: ModelsOption = None, as_json: JsonOption = False) -> None:
    """Verify the model bundle and describe it."""
    with exit_on_error():
        from service.cli.loading import read_settings
        from service.cli.model import model as run

        run(read_settings({"models_dir": models}), as_json=as_json)


@app.command()
def check(models: ModelsOption = None) -> None:
    """Check the installation and measure its speed. Exit code 1 if something is missing."""
    with exit_on_error():
        from service.cli.check import check as run

        raise typer.Exit(run({"models_dir": models}))


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal's encoding
    app()
