"""First look at the data: who is in it, and which properties of the files leak the label."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from rich.progress import track

from training import plots
from training.audit import properties
from training.data import CLASS_FOLDERS, Scan, folds_digest
from training.dataset import Dataset
from training.metrics import auc

_EXAMPLES: Final = 6
_LEAKS: Final = (
    "file_bytes",
    "laplacian_variance",
    "border_brightness",
    "aspect_ratio",
    "framing",
    "lung_shape",
)


def data_frame(dataset: Dataset) -> pd.DataFrame:
    """A row for each image: names, patient, fold, size, brightness and file properties."""
    rows: list[dict[str, Any]] = []
    for record in track(dataset.scan.records, description="Measuring images"):
        frame = dataset.store[dataset.views[record.name][0]]
        rows.append(
            {
                "name": record.name,
                "label": record.label,
                "aetiology": record.aetiology,
                "patient": record.patient,
                "stream": record.stream,
                "fold": dataset.folds[record.patient],
                "height": frame.shape[0],
                "width": frame.shape[1],
                "brightness": float(frame.mean()),
                "contrast": float(frame.std()),
                **properties(dataset, record),
            }
        )
    return pd.DataFrame(rows)


def leaks(table: pd.DataFrame) -> pd.DataFrame:
    """How well each property of the files alone tells the classes apart (AUC, either direction)."""
    rows = []
    for name in (*_LEAKS, "brightness", "contrast"):
        known = table[table[name].notna()]
        if known["label"].nunique() < 2:
            continue
        area = auc(known["label"].to_numpy(dtype=np.int64), known[name].to_numpy(dtype=np.float64))
        medians = known.groupby("label")[name].median()
        rows.append(
            {
                "property": name,
                "images": len(known),
                "auc": round(max(area, 1 - area), 3),
                "median_normal": round(float(medians[0]), 2),
                "median_pneumonia": round(float(medians[1]), 2),
            }
        )
    return pd.DataFrame(rows)


def write(dataset: Dataset, folder: Path) -> Path:
    """Write ``images.csv``, the figures and ``report.md``; returns the report's path."""
    folder.mkdir(parents=True, exist_ok=True)
    table = data_frame(dataset)
    table.to_csv(folder / "images.csv", index=False, float_format="%.4g")
    _draw(dataset, table, folder)
    path = folder / "report.md"
    path.write_text(_report(dataset, table))
    return path


def markdown(table: pd.DataFrame) -> str:
    """A data frame as a Markdown table."""
    lines = [" | ".join(str(column) for column in table.columns)]
    lines.append(" | ".join("---" for _ in table.columns))
    lines += [" | ".join(str(value) for value in row) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)


def _draw(dataset: Dataset, table: pd.DataFrame, folder: Path) -> None:
    counts = table["aetiology"].value_counts()
    plots.bars({str(k): float(v) for k, v in counts.items()}, "Images", folder / "aetiology.png")
    per_patient = table.groupby("patient").size().clip(upper=8).value_counts().sort_index()
    plots.bars(
        {str(k): float(v) for k, v in per_patient.items()},
        "Patients by number of images (8: 8 or more)",
        folder / "images_per_patient.png",
    )
    for name in ("brightness", "laplacian_variance", "file_bytes"):
        groups = {
            class_name: table.loc[table["label"] == label, name].tolist()
            for label, class_name in enumerate(CLASS_FOLDERS)
        }
        plots.histograms(groups, name, folder / f"{name}.png")
    examples = {
        str(aetiology): [
            dataset.store[dataset.views[name][0]]
            for name in group.drop_duplicates("patient")["name"].iloc[:: max(1, len(group) // 20)]
        ][:_EXAMPLES]
        for aetiology, group in table.groupby("aetiology")
    }
    plots.sheet(examples, folder / "examples.png")


def _report(dataset: Dataset, table: pd.DataFrame) -> str:
    scan: Scan = dataset.scan
    balance = (
        table.groupby("aetiology")
        .agg(images=("name", "size"), patients=("patient", "nunique"))
        .reset_index()
    )
    folds = (
        table.drop_duplicates("patient").groupby(["fold", "aetiology"]).size().unstack(fill_value=0)
    ).reset_index()
    sizes = table.groupby(["width", "height"]).size().reset_index(name="images")
    sizes = sizes.sort_values("images", ascending=False).head(8)
    return "\n".join(
        [
            "# The training images",
            "",
            f"{len(table)} images of {table['patient'].nunique()} patients. Left out: "
            f"{len(scan.duplicates)} exact duplicates, {len(scan.unreadable)} unreadable files.",
            f"Data digest `{scan.digest}`, folds digest `{folds_digest(dataset.folds)}`.",
            "",
            "## Balance",
            markdown(balance),
            "",
            "![Images by aetiology](aetiology.png) ![Images per patient](images_per_patient.png)",
            "",
            "## Folds: contiguous blocks of patient numbers (patients)",
            markdown(folds),
            "",
            "## Commonest sizes",
            markdown(sizes),
            "",
            "## Label leaks",
            "How well one property of the file alone tells the classes apart. 0.5 is nothing; "
            "what is far above it must be randomised in training. `framing` is height over width "
            "of the lungs in the squashed frame, `lung_shape` the same at true aspect ratio.",
            "",
            markdown(leaks(table)),
            "",
            "![Brightness](brightness.png) ![Sharpness](laplacian_variance.png) "
            "![File size](file_bytes.png)",
            "",
            "## Examples",
            "![Examples](examples.png)",
            "",
        ]
    )
