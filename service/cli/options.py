"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ModelsOption = Annotated[
    Path | None,
    typer.Option(
        "--models",
        metavar="DIR",
        help="Folder of the model bundle. Default: XRAY_MODELS_DIR, or `models`.",
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only errors: no progress bar, table or totals."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON to standard output, one object per answer.")
]
