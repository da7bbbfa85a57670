"""What a bundle knows of its own limits: which pictures it judges, and when it is not sure."""

# Each command imports what it needs when it runs.

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

BundleOption = Annotated[Path, typer.Option("--bundle", help="Folder of the bundle.")]
RunOption = Annotated[Path, typer.Option("--run", help="Folder for the results.")]

MODELS = Path("models")
RUN = Path("runs/evaluation")


@app.command()
def suitability(
    training: Annotated[Path, typer.Argument(help="Films of the networks' training.")],
    fitted: Annotated[
        list[str] | None,
        typer.Option(
            "--fit",
            help="NAME=FOLDER of another hospital's films: the even-numbered half is fitted too, "
            "the other half measured. Repeatable.",
        ),
    ] = None,
    films: Annotated[
        list[str] | None,
        typer.Option("--films", help="NAME=FOLDER of films to measure only. Repeatable."),
    ] = None,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--other",
            help="NAME=FOLDER of no frontal chest films; half of them is fitted. Repeatable.",
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=4, help="Pictures of each set at most.")] = 3000,
    bundle: BundleOption = MODELS,
    run: RunOption = RUN,
) -> None:
    """Fit the gate of a bundle and measure which pictures it refuses, warns of and accepts."""
    from training.evaluation.suitability import Sources, build_gate, gate_table

    sources = Sources(training, _folders(fitted), _folders(films), _folders(others), most)
    entry = build_gate(bundle, sources)
    _write(run, "suitability", json.dumps(entry, indent=2), gate_table(entry))


@app.command()
def conformal(
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV of out-of-fold answers with the columns label (0, 1), probability "
            "(calibrated) and fold; rows of other conditions are told apart by a column world."
        ),
    ],
    error: Annotated[
        float, typer.Option(min=0.001, max=0.2, help="Target: share of a class assessed wrongly.")
    ] = 0.02,
    bundle: BundleOption = MODELS,
    run: RunOption = RUN,
) -> None:
    """Choose the probabilities that are indeterminate, and write them into the bundle."""
    from service.inference import MANIFEST_FILE, Manifest
    from training.evaluation.conformal import curve_table, indeterminate, read_worlds

    path = bundle / MANIFEST_FILE
    manifest = Manifest.read(path)
    worlds = read_worlds(table)
    threshold = manifest.threshold.value
    entry = indeterminate(worlds, error, threshold, f"out-of-fold answers: {', '.join(worlds)}")
    manifest.model_copy(update={"indeterminate": entry}).write(path)
    found = entry.model_dump(mode="json")
    _write(run, "conformal", json.dumps(found, indent=2), curve_table(found["metrics"]["curve"]))


@app.command()
def recalibrate(
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="The site's labelled films: NORMAL/ or NO_FINDING/, and PNEUMONIA/, OPACITY/ or "
            "TB/; a patients.csv (file, patient) keeps films of one patient together.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the new bundle.")],
    bundle: BundleOption = MODELS,
    name: Annotated[
        str, typer.Option("--name", help="Of the site: the version becomes VERSION+NAME.")
    ] = "site",
    sensitivity: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Least one at the new threshold.")
    ] = 0.95,
    error: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=0.2, help="Target of the indeterminate range; by default the bundle's."
        ),
    ] = None,
) -> None:
    """Fit a bundle's calibration, threshold and indeterminate range on a site's own films."""
    from service.inference import MANIFEST_FILE, Manifest
    from training.data import DataError
    from training.evaluation.recalibrate import recalibrate as fit
    from training.evaluation.site import read_cases
    from training.evaluation.site_bundle import report, write_bundle

    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.-]{0,31}", name):
        raise typer.BadParameter("Letters, digits, dots and hyphens only.", param_hint="--name")
    if out.exists():
        raise DataError(f"{out} exists. Give the new bundle a folder of its own.")
    cases = read_cases(bundle, data)
    manifest = Manifest.read(bundle / MANIFEST_FILE)
    found = fit(manifest, cases, name, sensitivity=sensitivity, error=error)
    write_bundle(bundle, found, out)
    console = Console()
    console.print(report(found), markup=False, highlight=False, soft_wrap=True)
    console.print(f"{out} holds {found.manifest.name} {found.manifest.version}, verified.")


def _folders(named: list[str] | None) -> dict[str, Path]:
    pairs = [text.partition("=") for text in named or ()]
    if not all(name and folder for name, _, folder in pairs):
        raise typer.BadParameter("Write a set as NAME=FOLDER.")
    return {name: Path(folder) for name, _, folder in pairs}


def _write(run: Path, name: str, content: str, table: str) -> None:
    run.mkdir(parents=True, exist_ok=True)
    (run / f"{name}.json").write_text(content + "\n", encoding="utf-8")
    (run / f"{name}.md").write_text(table, encoding="utf-8")
    console = Console()
    console.print(table, markup=False, highlight=False, soft_wrap=True)
    console.print(f"Written: {run / name}.json and .md")
