"""How good a bundle is, and where its verdicts come from."""

# Each command imports what it needs when it runs: `--help` answers without pandas.

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.inference.atomic_write import atomic_write

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

BundleOption = Annotated[Path, typer.Option("--bundle", help="Folder of the bundle.")]
FoldsOption = Annotated[
    Path | None,
    typer.Option(
        "--folds",
        help="Folder with a bundle 0/, 1/, ... for each fold. Without it the bundle itself reads "
        "all films, those that it was trained on too.",
    ),
]
MasksOption = Annotated[
    Path | None,
    typer.Option(
        "--masks",
        help="Lung masks, a PNG named like its film: where the lungs are, in place of the "
        "bundle's own network.",
    ),
]
RunOption = Annotated[Path, typer.Option("--run", help="Folder for results and cached scores.")]
SampleOption = Annotated[
    int | None,
    typer.Option("--sample", min=1, help="Only so many films of each class, drawn at random."),
]
TrainingSet = Annotated[
    Path, typer.Argument(help="The training set: NORMAL/ and PNEUMONIA/, or their train/.")
]

MODELS = Path("models")
RUN = Path("runs/evaluation")


@app.command()
def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(help="Holds NORMAL/ or NO_FINDING/, and PNEUMONIA/, OPACITY/ or TB/."),
    ],
    bundle: BundleOption = MODELS,
    suite: Annotated[bool, typer.Option("--suite", help="Also under each perturbation.")] = False,
    masks: MasksOption = None,
    sample: SampleOption = None,
    run: RunOption = RUN,
) -> None:
    """Run a bundle on a labelled folder; with --suite, under perturbations and frame exchange."""
    from training.evaluation.reports import print_figures
    from training.evaluation.study import Study

    study = Study.of_bundle(bundle, run, masks)
    figures = study.measure(study.films(folder, sample), suite=suite)
    console = Console()
    print_figures(figures, console)
    console.print(f"Written: {study.write(run, f'evaluate-{folder.name}', figures)}")


@app.command(name="out-of-fold")
def out_of_fold(
    data: TrainingSet,
    folds: FoldsOption = None,
    bundle: BundleOption = MODELS,
    suite: Annotated[bool, typer.Option("--suite", help="Also under each perturbation.")] = False,
    masks: MasksOption = None,
    sample: SampleOption = None,
    run: RunOption = RUN,
    write: Annotated[
        bool, typer.Option("--write", help="Write the figures into the bundle's manifest.")
    ] = False,
) -> None:
    """Read each film of the training set by the bundle that was trained without its block."""
    from service.inference import MANIFEST_FILE
    from training.evaluation.operating_point import with_metrics
    from training.evaluation.reports import print_figures
    from training.evaluation.study import Study

    study = Study.out_of_fold(bundle, folds, data, run, masks)
    figures = study.measure(study.films(data, sample, one_each=True), suite=suite)
    console = Console()
    print_figures(figures, console)
    console.print(f"Written: {study.write(run, 'out_of_fold', figures)}")
    if write:
        path = bundle / MANIFEST_FILE
        with_metrics(study.manifest, figures).write(path)
        console.print(f"Written: {path}")


@app.command(name="frame-exchange")
def frame_exchange(
    data: TrainingSet,
    folds: FoldsOption = None,
    bundle: BundleOption = MODELS,
    masks: MasksOption = None,
    sample: SampleOption = None,
    run: RunOption = RUN,
) -> None:
    """Frame each film as one of the other class: how many verdicts change?"""
    from training.evaluation.reports import print_exchange
    from training.evaluation.study import Study

    study = Study.out_of_fold(bundle, folds, data, run, masks)
    films = study.films(data, sample, one_each=True)
    figures = study.exchange(films)
    console = Console()
    print_exchange(figures, console)
    answers = run / "answers.csv"
    with atomic_write(answers) as path:
        study.answers(films).to_csv(path, index=False)
    console.print(f"Written: {study.write(run, 'frame_exchange', figures)}")
    console.print(f"Answers, for `conformal`: {answers}")


@app.command()
def audit(
    data: TrainingSet,
    folds: FoldsOption = None,
    bundle: BundleOption = MODELS,
    masks: MasksOption = None,
    sizes: Annotated[
        Path | None,
        typer.Option("--sizes", help="CSV of file, width, height: of films that were squashed."),
    ] = None,
    maps: Annotated[
        int, typer.Option("--maps", min=0, help="Films of each class whose maps are looked at.")
    ] = 200,
    sample: SampleOption = None,
    run: RunOption = RUN,
) -> None:
    """Do verdicts follow how a film was taken, and does the evidence lie inside the lungs?"""
    from training.evaluation.reports import print_audit
    from training.evaluation.study import Study

    study = Study.out_of_fold(bundle, folds, data, run, masks)
    films = study.films(data, sample, one_each=True)
    figures = study.audit(films, sizes, maps)
    console = Console()
    print_audit(figures, console)
    console.print(f"Written: {study.write(run, 'audit', figures)}")


@app.command()
def external(
    data: Annotated[
        Path,
        typer.Argument(help="Holds adults_montgomery/, adults_nih/ and children_11_to_17/."),
    ],
    bundle: BundleOption = MODELS,
    against: Annotated[
        Path | None, typer.Option("--against", help="Another bundle, shown beside the first.")
    ] = None,
    run: RunOption = RUN,
) -> None:
    """The cross-hospital table, as JSON and Markdown."""
    from training.evaluation.external import external_figures, external_table, score_external
    from training.evaluation.outcome import write_outcome
    from training.evaluation.pipeline import Pipeline

    figures = []
    for directory in (bundle, against) if against else (bundle,):
        pipeline = Pipeline.open(directory)
        tables = score_external(pipeline, data, run / "scores")
        figures.append(external_figures(tables, pipeline.manifest))
    digest = Pipeline.open(bundle).networks_digest
    path = write_outcome(run, "external", {"bundles": figures}, digest)
    table = external_table(figures)
    path.with_suffix(".md").write_text(table + "\n", encoding="utf-8")
    Console().print(table, markup=False, soft_wrap=True)
    Console().print(f"Written: {path}")


@app.command()
def segmentation(
    films: Annotated[Path, typer.Argument(help="A labelled folder whose films have masks.")],
    masks: Annotated[Path, typer.Option("--masks", help="Lung masks, a PNG named like its film.")],
    folds: FoldsOption = None,
    bundle: BundleOption = MODELS,
    without_heart: Annotated[
        bool,
        typer.Option("--without-heart", help="The masks leave the heart out: do not count there."),
    ] = False,
    finder: Annotated[
        Path | None,
        typer.Option(
            "--finder",
            help="Another bundle whose network finds the lungs: one of the same recipe that was "
            "fitted without the block.",
        ),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option("--block", min=0, help="Only this block of the training set."),
    ] = None,
    blocks: Annotated[
        int, typer.Option("--blocks", min=2, help="Blocks that the training set is cut into.")
    ] = 5,
    sample: SampleOption = None,
    run: RunOption = RUN,
) -> None:
    """Dice of the lungs on masks that people drew, with a contact sheet of the twenty worst."""
    from training.evaluation.reports import print_dice
    from training.evaluation.study import Study, compare_lungs

    study = Study.of_bundle(bundle, run, finder=finder)
    if folds:
        study = Study.out_of_fold(bundle, folds, films, run)
    chosen = study.films(films, sample, block=block, blocks=blocks)
    figures, sheet = compare_lungs(study, chosen, masks, run, without_heart=without_heart)
    print_dice(figures, Console())
    Console().print(f"Contact sheet, which shows radiographs and is not to be committed: {sheet}")


@app.command()
def calibrate(
    data: Annotated[
        Path, typer.Argument(help="Holds chest_xray/ and the sets of `evaluation external`.")
    ],
    folds: Annotated[Path, typer.Option("--folds", help="Folder with a bundle for each fold.")],
    bundle: BundleOption = MODELS,
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=0.99,
            help="Share of pneumonia that the probability is for; that of the patients by default.",
        ),
    ] = None,
    masks: MasksOption = None,
    sample: SampleOption = None,
    run: RunOption = RUN,
    write: Annotated[
        bool, typer.Option(help="Write calibration and threshold into the bundle.")
    ] = True,
) -> None:
    """Fit the calibration and choose the operating point over several worlds."""
    from training.evaluation.operating_point import choose
    from training.evaluation.reports import print_worlds

    figures = choose(
        data,
        bundle,
        folds,
        run,
        prevalence=prevalence,
        masks=masks,
        sample=sample,
        write=write,
    )
    print_worlds(figures, Console())


@app.command()
def card(
    bundle: BundleOption = MODELS,
    run: RunOption = RUN,
) -> None:
    """Write the bundle's MODEL_CARD.md from the JSON files of a run, and from nothing else."""
    from training.evaluation.card import write_card

    Console().print(f"Written: {write_card(bundle, run)}")
