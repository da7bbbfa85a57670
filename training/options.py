"""Options and arguments that several commands of ``python -m training`` share."""

from pathlib import Path
from typing import Annotated

import typer

CollectionOption = Annotated[
    Path, typer.Option("--data", help="Folder of the data sets: chest_xray/, lung_masks/, ...")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder for caches, runs and logs.")]
FoldOption = Annotated[
    int | None, typer.Option("--fold", help="Fold to hold out; without it all films train.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="In place of the recipe's.")]
BundleOption = Annotated[Path, typer.Option("--bundle", help="Folder of the bundle.")]

RUNS = Path("runs")
MODELS = Path("models")
LungsOption = Annotated[
    Path,
    typer.Option("--lungs", help="Run of the segmentation network, or a bundle that has one."),
]
