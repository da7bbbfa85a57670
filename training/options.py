"""Options and arguments that several commands of ``python -m training`` share."""

from pathlib import Path
from typing import Annotated

import typer

RecipesArgument = Annotated[
    list[Path], typer.Argument(help="Recipes of the two members, tuned one first.")
]
DataOption = Annotated[
    Path, typer.Option("--data", help="Folder with train/NORMAL and train/PNEUMONIA.")
]
FurtherOption = Annotated[
    list[Path] | None,
    typer.Option("--further", help="Other copies of the same images, for training only."),
]
MasksOption = Annotated[
    Path | None,
    typer.Option("--masks", help="Lung masks, to measure framing: a PNG named like its image."),
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Checkpoints, logs, predictions.")]
TargetOption = Annotated[Path, typer.Option("--target", help="Folder of the bundle.")]
BundleOption = Annotated[Path, typer.Option("--bundle", help="Folder of the bundle.")]
VersionOption = Annotated[str, typer.Option("--version", help="Version of the bundle.")]

RUNS = Path("runs")
MODELS = Path("models")
