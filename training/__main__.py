"""From the public data set to a verified bundle, one command for each step, or `all` of them."""

# Each command imports what it needs when it runs: the sampler's worker processes import this file
# too, and must not load TensorFlow.

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from service.inference.errors import BundleError
from training.data import DataError
from training.evaluation.commands import app as evaluation
from training.options import (
    MODELS,
    RUNS,
    BundleOption,
    DataOption,
    FurtherOption,
    MasksOption,
    RecipesArgument,
    RunsOption,
    TargetOption,
    VersionOption,
)

if TYPE_CHECKING:
    from training.assemble import Source

# Keras picks its backend when it is first imported; the served networks must be TensorFlow's own
# arithmetic unless the caller says otherwise. TensorFlow's C++ notices would break progress bars.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow uses oneDNN of its own accord on new processors only. On an older one (AVX2) a network
# trained 1.7 times as fast with it; answers differ in the last digits.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
app.add_typer(evaluation, name="evaluation")


@app.command()
def eda(
    data: DataOption,
    further: FurtherOption = None,
    masks: MasksOption = None,
    runs: RunsOption = RUNS,
) -> None:
    """Tabulate the images, draw them, and audit which properties of the files leak the label."""
    from training import eda as exploration
    from training.dataset import load_dataset

    dataset = load_dataset(data, runs / "cache", further or (), masks)
    report = exploration.write(dataset, runs / "eda")
    Console().print(f"Report: {report}")


@app.command()
def fit(
    recipe: Annotated[Path, typer.Argument(help="The member's recipe, a TOML file.")],
    data: DataOption,
    further: FurtherOption = None,
    fold: Annotated[
        int | None, typer.Option(help="Fold to hold out; without it all images train.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed; the run is named after it.")
    ] = None,
    runs: RunsOption = RUNS,
) -> None:
    """Train one member, or resume the run that was interrupted."""
    _fit([recipe], data, further, [fold], runs, seed)


@app.command()
def assemble(
    recipes: RecipesArgument,
    data: DataOption,
    further: FurtherOption = None,
    masks: MasksOption = None,
    runs: RunsOption = RUNS,
    target: TargetOption = MODELS,
    version: VersionOption = "1.0.0",
) -> None:
    """Calibrate, choose the operating point, and write bundle and model card."""
    from training.assemble import assemble as make_bundle

    source = _source(recipes, data, further, masks, runs)
    manifest = make_bundle(source, target, version=version)
    Console().print(
        f"{target} holds {manifest.name} {manifest.version}, verified. "
        f"Threshold {manifest.threshold.value:g}. Its figures are in MODEL_CARD.md."
    )


@app.command()
def calibrate(
    recipes: RecipesArgument,
    data: DataOption,
    further: FurtherOption = None,
    masks: MasksOption = None,
    runs: RunsOption = RUNS,
    bundle: BundleOption = MODELS,
) -> None:
    """Calibration and operating point of a bundle, anew from the out-of-fold predictions."""
    from training import calibrate as calibration
    from training.assemble import recalibrate

    source = _source(recipes, data, further, masks, runs)
    findings, manifest = recalibrate(source, bundle)
    calibration.print_choice(manifest, findings.figures["transfer"], Console())
    Console().print(f"Written to {bundle}, which verifies, and to its model card.")


@app.command(name="compile")
def compile_command(
    data: DataOption,
    bundle: BundleOption = MODELS,
) -> None:
    """Compile a bundle's networks into ONNX graphs that agree with Keras on real images.

    One in 32 bits, and one in 8 bits if that changes few enough verdicts.
    """
    from service.inference import MANIFEST_FILE, Manifest
    from training.card import CARD_FILE, renew_graphs
    from training.compile import compile_bundle
    from training.data import scan
    from training.dataset import training_folder

    outcome = compile_bundle(bundle, scan(training_folder(data)).records)
    renew_graphs(bundle / CARD_FILE, Manifest.from_json((bundle / MANIFEST_FILE).read_bytes()))
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


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option("--data", help="Folder with NORMAL/ and PNEUMONIA/.")],
    bundle: BundleOption = MODELS,
    suite: Annotated[bool, typer.Option("--suite", help="Also under each perturbation.")] = False,
    prevalence: Annotated[
        float, typer.Option(min=0, max=1, help="Share of pneumonia for PPV and NPV.")
    ] = 0.5,
    out: Annotated[Path, typer.Option("--out", help="Folder for JSON and figures.")] = RUNS
    / "evaluation",
) -> None:
    """Run a bundle on a labelled folder, by the service's own preprocessing and ensemble."""
    from service.inference.ensemble import load_ensemble
    from training import evaluate as evaluation
    from training.data import scan
    from training.dataset import training_folder

    found = scan(training_folder(data))
    ensemble = load_ensemble(bundle, threads=os.cpu_count() or 1)
    scores = evaluation.score_folder(ensemble, found, suite=suite)
    threshold = ensemble.bundle.manifest.threshold.value
    figures = evaluation.report(scores, threshold, prevalence)
    console = Console()
    evaluation.print_table(figures, console)
    written = evaluation.write(scores, figures, out)
    console.print("Written: " + ", ".join(str(path) for path in written))


@app.command()
def audit(
    data: DataOption,
    further: FurtherOption = None,
    masks: MasksOption = None,
    bundle: BundleOption = MODELS,
    runs: RunsOption = RUNS,
) -> None:
    """Does a bundle's probability rank with what a file is, rather than with what it shows?"""
    from service.inference.ensemble import load_ensemble
    from training import audit as shortcuts
    from training.dataset import load_dataset
    from training.evaluate import score_folder

    dataset = load_dataset(data, runs / "cache", further or (), masks)
    ensemble = load_ensemble(bundle, threads=os.cpu_count() or 1)
    scores = score_folder(ensemble, dataset.scan, suite=False)
    rows = shortcuts.audit(shortcuts.tabulate(dataset, scores.records), scores.ensemble[:, 0])
    shortcuts.print_table(rows, Console())


@app.command(name="all")
def everything(
    recipes: RecipesArgument,
    data: DataOption,
    further: FurtherOption = None,
    fold: Annotated[list[int], typer.Option(help="Folds to hold out in turn.")] = [0, 1, 2, 3, 4],  # noqa: B006
    masks: MasksOption = None,
    runs: RunsOption = RUNS,
    target: TargetOption = MODELS,
    version: VersionOption = "1.0.0",
) -> None:
    """Data folder in, verified bundle out: eda, every fit, assemble. Resumes where it stopped."""
    eda(data, further, masks, runs)
    _fit(recipes, data, further, [*fold, None], runs)
    assemble(recipes, data, further, masks, runs, target, version)


def _source(
    recipes: list[Path], data: Path, further: list[Path] | None, masks: Path | None, runs: Path
) -> "Source":
    from training.assemble import Source
    from training.config import Recipe
    from training.dataset import load_dataset

    dataset = load_dataset(data, runs / "cache", further or (), masks)
    return Source(dataset, [Recipe.read(path) for path in recipes], runs)


def _fit(
    recipes: list[Path],
    data: Path,
    further: list[Path] | None,
    folds: list[int | None],
    runs: Path,
    seed: int | None = None,
) -> None:
    from training.config import Recipe
    from training.data import FOLDS
    from training.dataset import load_dataset
    from training.fit import RunFolder
    from training.fit import fit as fit_member

    for fold in folds:
        if fold is not None and not 0 <= fold < FOLDS:
            raise DataError(f"There is no fold {fold}: folds are 0 to {FOLDS - 1}.")
    dataset = load_dataset(data, runs / "cache", further or ())
    for path in recipes:
        read = Recipe.read(path)
        recipe = read if seed is None else read.reseeded(seed)
        for fold in folds:
            folder = RunFolder(runs, recipe.name, fold)
            summary = fit_member(dataset, recipe, folder)
            auc = summary.get("auc", {}).get("clean", "not held out")
            Console().print(f"{folder.path}: {summary['epochs']} epochs, clean AUC {auc}")


def main() -> None:
    """Run a command; what is wrong with the data ends it in a sentence, not a traceback."""
    try:
        app()
    except (DataError, BundleError) as error:
        Console(stderr=True).print(f"[red]{error}[/red]")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
