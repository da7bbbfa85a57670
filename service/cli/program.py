"""The commands and their options. What a command does is in the module of its name."""

# Each command imports its module when it runs: NumPy, the engine and the web framework take longer
# to load than `--help` may take to answer.

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service import __version__
from service.cli.refusing import in_words

app = typer.Typer(
    name="pneumonia-xray",
    help="How probable is pneumonia in chest radiographs of children? Decision support, "
    "not a diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _before_any_command(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_say_version, help="Say it and end."),
    ] = False,
) -> None:
    """Hold the options of the program itself."""


ModelsOption = Annotated[
    Path | None,
    typer.Option(
        "--models", metavar="DIR", help="Folder of the bundle; else XRAY_MODELS_DIR or `models`."
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No bar, no table, no sums: only what failed.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="JSON on standard output, an object for each answer.")
]


class Language(StrEnum):
    """Languages of the reports."""

    ES = "es"
    EN = "en"


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address to listen on; else XRAY_HOST.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Port to listen on, 0 for any; else XRAY_PORT."),
    ] = None,
    models: ModelsOption = None,
) -> None:
    """Serve over HTTP, as `python -m service` does; every other setting is an XRAY_* variable."""
    with in_words():
        from service.cli.serve import serve as run  # noqa: PLC0415

        run({"host": host, "port": port, "models_dir": models})


@app.command(
    epilog="Ends with 0 when every file has its verdict, 1 when some failed, 2 when nothing could "
    "be done, 130 when it was interrupted. The same command goes on with an interrupted table."
)
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, folders (with all below), patterns."),
    ],
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", help="Write a table, row by row; go on with one that is there."
        ),
    ] = None,
    as_json: JsonOption = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Write a PDF of each radiograph there."),
    ] = None,
    lang: Annotated[Language, typer.Option("--lang", help="Language of the PDFs.")] = Language.ES,
    models: ModelsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Screen radiographs, whole folders of them as well."""
    with in_words():
        from service.cli.loading import settings_with  # noqa: PLC0415
        from service.cli.predict import Wishes  # noqa: PLC0415
        from service.cli.predict import predict as run  # noqa: PLC0415

        wishes = Wishes(csv=csv, json=as_json, report=report, language=lang.value, quiet=quiet)
        raise typer.Exit(run(paths, settings_with({"models_dir": models}), wishes))


@app.command()
def model(models: ModelsOption = None, as_json: JsonOption = False) -> None:
    """Verify the bundle and say what is in it."""
    with in_words():
        from service.cli.loading import settings_with  # noqa: PLC0415
        from service.cli.model import model as run  # noqa: PLC0415

        run(settings_with({"models_dir": models}), as_json=as_json)


@app.command()
def check(models: ModelsOption = None) -> None:
    """Is everything here that is needed, and how fast is it? Ends with 1 when something is not."""
    with in_words():
        from service.cli.check import check as run  # noqa: PLC0415

        raise typer.Exit(run({"models_dir": models}))


def main() -> None:
    """Run a command of the command line."""
    app()
