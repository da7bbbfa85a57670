"""From the data sets to a verified bundle, one command for each step.

`eda`, `lungs`, `fields`, `fit` for each member and fold, `assemble`, `compile`. Where a fit was
stopped, it goes on.
"""

# Each command imports what it needs when it runs: `--help` answers without PyTorch or TensorFlow.

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.inference.errors import BundleError
from training.data import DataError
from training.evaluation.commands import app as evaluation
from training.evaluation.gate_commands import app as gate
from training.options import (
    MODELS,
    RUNS,
    BundleOption,
    CollectionOption,
    FoldOption,
    LungsOption,
    RunsOption,
    SeedOption,
)

# Keras picks its backend when it is first imported; the served networks must be TensorFlow's own
# arithmetic. TensorFlow's C++ notices would break progress bars.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RECIPES = Path(__file__).parent / "fit" / "recipes"

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
app.add_typer(evaluation, name="evaluation")
app.add_typer(gate)


@app.command()
def eda(data: CollectionOption, runs: RunsOption = RUNS) -> None:
    """Tabulate the films, draw them, and show which properties of the files leak the label."""
    from training.data import eda as exploration
    from training.data.collection import Collection

    Console().print(f"Report: {exploration.write(Collection(data), runs / 'eda')}")


@app.command()
def lungs(
    data: CollectionOption,
    recipe: Annotated[Path, typer.Option("--recipe", help="A TOML file.")] = RECIPES / "lungs.toml",
    fold: FoldOption = None,
    seed: SeedOption = None,
    runs: RunsOption = RUNS,
) -> None:
    """Fit the network that finds the lungs."""
    from training import commands
    from training.data.collection import Collection

    folder = commands.lungs(Collection(data), recipe, runs, fold, seed)
    Console().print(f"Fitted: {folder.path}")


@app.command()
def fields(
    data: CollectionOption,
    lungs: LungsOption,
    runs: RunsOption = RUNS,
) -> None:
    """Cut the lung fields of all films, for the members to be fitted on."""
    from training import commands
    from training.data.collection import Collection
    from training.fit.runs import RunFolder

    commands.fields(Collection(data), RunFolder(lungs), runs)


@app.command()
def fit(
    recipe: Annotated[Path, typer.Argument(help="The member's recipe, a TOML file.")],
    fold: FoldOption = None,
    seed: SeedOption = None,
    runs: RunsOption = RUNS,
) -> None:
    """Fit a member of the ensemble on the lung fields."""
    from training import commands

    folder = commands.member(recipe, runs, fold, seed)
    Console().print(f"Fitted: {folder.path}")


@app.command()
def experiments(
    runs: RunsOption = RUNS,
    out: Annotated[Path, typer.Option("--out", help="The page.")] = Path("training/EXPERIMENTS.md"),
) -> None:
    """Tabulate what was tried, from the logs of the runs."""
    from training.fit.experiments import write_experiments

    Console().print(f"{write_experiments(runs, out)} runs: {out}")


@app.command()
def assemble(
    members: Annotated[
        list[Path],
        typer.Argument(
            help="Runs of the two members, lung field first. Several of one are averaged."
        ),
    ],
    lungs: LungsOption,
    version: Annotated[str, typer.Option("--version", help="Of the bundle.")],
    data: CollectionOption,
    target: Annotated[Path, typer.Option("--target", help="Folder of the bundle.")] = MODELS,
) -> None:
    """Write a bundle of fitted networks; `compile` and `evaluation calibrate` come after it."""
    from training.data.collection import Collection
    from training.export.assemble import Parts
    from training.export.assemble import assemble as make_bundle
    from training.fit.runs import RunFolder

    parts = Parts(RunFolder(lungs), [RunFolder(path) for path in members])
    manifest = make_bundle(parts, target, version, data=Collection(data).scan("train"))
    Console().print(f"{target} holds {manifest.name} {manifest.version}, verified.")


@app.command(name="fold-bundles")
def fold_bundles(
    members: Annotated[
        list[Path], typer.Argument(help="Folders of the members' runs fold-0, fold-1...")
    ],
    lungs: LungsOption,
    runs: RunsOption = RUNS,
) -> None:
    """Write a bundle of each fold's networks, for reading every film out of fold."""
    from training import commands

    folds = commands.fold_bundles(lungs, members, runs / "folds")
    Console().print(f"Bundles of folds {folds}: {runs / 'folds'}")


@app.command(name="compile")
def compile_command(
    data: Annotated[
        Path, typer.Option("--data", help="Folder with NORMAL/ and PNEUMONIA/, or their train/.")
    ],
    bundle: BundleOption = MODELS,
    others: Annotated[
        list[Path] | None,
        typer.Option("--other", help="Folder with two classes of films of another hospital."),
    ] = None,
) -> None:
    """Compile a bundle's networks into ONNX graphs that agree with Keras on real images.

    One in 32 bits, and one in 8 bits if that changes few enough verdicts, there and elsewhere.
    """
    from training.data import scan
    from training.data.records import CLASS_FOLDERS, class_folders
    from training.export.compile import compile_bundle

    folder = data if (data / "NORMAL").is_dir() else data / "train"
    elsewhere = {
        other.name: scan(other, class_folders(other) or CLASS_FOLDERS).records
        for other in others or ()
    }
    outcome = compile_bundle(bundle, scan(folder).records, elsewhere)
    agreement, int8 = outcome.agreement, outcome.int8
    Console().print(
        f"Compiled. Largest difference from Keras on {agreement.images} radiographs: "
        f"{agreement.largest_difference:.2g}; verdicts changed: {agreement.verdicts_changed}."
    )
    Console().print(
        f"In 8 bits, on {int8.images} further radiographs: verdicts changed: "
        f"{int8.verdicts_changed}; AUC lost: {int8.auc_loss:.5f}."
        if int8
        else f"Only in 32 bits. {outcome.refusal}"
    )


def main() -> None:
    """Run a command; what is wrong with the data ends it in a sentence, not a traceback."""
    try:
        app()
    except (DataError, BundleError) as error:
        Console(stderr=True).print(f"[red]{error}[/red]")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
