"""First look at the data: who is in it, and which properties of the files leak the label."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from sklearn.metrics import roc_auc_score

from training.data import CLASS_FOLDERS, Record, assign_folds, folds_digest, plots, read_radiograph
from training.data.collection import Collection
from training.data.records import Scan

_EXAMPLES: Final = 6
_RIM: Final = 0.04
"""Width of the border whose brightness is taken, as a share of the frame's side."""

_LEAKS: Final = (
    "file_bytes",
    "sharpness",
    "border_brightness",
    "brightness",
    "contrast",
    "aspect_ratio",
    "lungs_left",
    "lungs_top",
    "lungs_width",
    "lungs_height",
)

Pixels = NDArray[np.uint8]


def write(collection: Collection, folder: Path) -> Path:
    """Write ``images.csv``, the figures and ``report.md`` on the training set.

    Args:
        collection: The data sets.
        folder: Where to write.

    Returns:
        The report.

    Raises:
        DataError: The training set is missing or damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = collection.scan("train")
    assert found is not None  # noqa: S101  # a collection without it is refused
    table = data_frame(found, collection)
    table.to_csv(folder / "images.csv", index=False, float_format="%.4g")
    _draw(found, table, folder)
    path = folder / "report.md"
    path.write_text(_report(found, table))
    return path


def data_frame(found: Scan, collection: Collection) -> pd.DataFrame:
    """A row for each image: names, patient, fold, and what has no bearing on disease."""
    folds = assign_folds(found.records)
    sizes = collection.original_sizes()
    rows: list[dict[str, Any]] = []
    for record in track(found.records, description="Measuring images"):
        stem = Path(record.name).stem
        rows.append(
            {
                "name": record.name,
                "label": record.label,
                "aetiology": record.aetiology,
                "patient": record.patient,
                "fold": folds[record.patient],
                **properties(record, sizes.get(stem)),
                **lung_box(collection.masks / f"{stem}.png"),
            }
        )
    return pd.DataFrame(rows)


def properties(record: Record, original: tuple[int, int] | None = None) -> dict[str, float]:
    """Facts of a file that have no bearing on disease.

    Args:
        record: The image.
        original: Width and height of the original, where the image is a squashed copy.

    Returns:
        Size of the file, of the picture, sharpness (variance of the 4-neighbour Laplacian),
        brightness and contrast (mean and deviation of grey levels), and brightness of the border.
    """
    pixels = read_radiograph(record.path).pixels
    height, width = pixels.shape
    true_width, true_height = original or (width, height)
    grey = pixels.astype(np.float32)
    inner = -4 * grey[1:-1, 1:-1]
    inner += grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return {
        "file_bytes": float(record.path.stat().st_size),
        "width": float(width),
        "height": float(height),
        "aspect_ratio": true_width / true_height,
        "sharpness": float(inner.var()),
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "border_brightness": _border(pixels),
    }


def lung_box(mask: Path) -> dict[str, float]:
    """Where the lungs lie in the frame, in shares of it; empty where there is no mask.

    Position and size of the lungs, without a pixel of them, tell the classes of the public set
    apart: a network that sees the whole frame may learn nothing else.
    """
    if not mask.exists():
        return {}
    with Image.open(mask, formats=("PNG",)) as picture:
        lungs = np.asarray(picture.convert("L")) > 127
    if not lungs.any():
        return {}
    rows, columns = (np.flatnonzero(lungs.any(axis=axis)) for axis in (1, 0))
    height, width = lungs.shape
    return {
        "lungs_left": float(columns[0]) / width,
        "lungs_top": float(rows[0]) / height,
        "lungs_width": float(columns[-1] + 1 - columns[0]) / width,
        "lungs_height": float(rows[-1] + 1 - rows[0]) / height,
    }


def leaks(table: pd.DataFrame) -> pd.DataFrame:
    """How well each property alone tells the classes apart (AUC, either direction)."""
    rows = []
    for name in _LEAKS:
        known = table[table[name].notna()] if name in table else table.iloc[:0]
        if known["label"].nunique() < 2:
            continue
        area = float(roc_auc_score(known["label"], known[name]))
        medians = known.groupby("label")[name].median()
        rows.append(
            {
                "property": name,
                "images": len(known),
                "AUC": round(max(area, 1 - area), 3),
                "median, normal": f"{medians[0]:.3g}",
                "median, pneumonia": f"{medians[1]:.3g}",
            }
        )
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """A data frame as a Markdown table."""
    lines = [" | ".join(str(column) for column in table.columns)]
    lines.append(" | ".join("---" for _ in table.columns))
    lines += [" | ".join(str(value) for value in row) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)


def _border(pixels: Pixels) -> float:
    rim = max(1, round(min(pixels.shape) * _RIM))
    inside = np.zeros(pixels.shape, dtype=bool)
    inside[rim:-rim, rim:-rim] = True
    return float(pixels[~inside].mean())


def _draw(found: Scan, table: pd.DataFrame, folder: Path) -> None:
    counts = table["aetiology"].value_counts()
    plots.bars({str(k): float(v) for k, v in counts.items()}, "Images", folder / "aetiology.png")
    per_patient = table.groupby("patient").size().clip(upper=8).value_counts().sort_index()
    plots.bars(
        {str(k): float(v) for k, v in per_patient.items()},
        "Patients by number of images (8: 8 or more)",
        folder / "images_per_patient.png",
    )
    for name in ("brightness", "sharpness", "file_bytes"):
        groups: Mapping[str, list[float]] = {
            class_name: table.loc[table["label"] == label, name].tolist()
            for label, class_name in enumerate(CLASS_FOLDERS)
        }
        plots.histograms(groups, name, folder / f"{name}.png")
    records = {record.name: record for record in found.records}
    examples = {
        str(aetiology): [
            read_radiograph(records[name].path).pixels
            for name in group.drop_duplicates("patient")["name"].iloc[:: max(1, len(group) // 20)]
        ][:_EXAMPLES]
        for aetiology, group in table.groupby("aetiology")
    }
    plots.sheet(examples, folder / "examples.png")


def _report(found: Scan, table: pd.DataFrame) -> str:
    balance = (
        table.groupby("aetiology")
        .agg(images=("name", "size"), patients=("patient", "nunique"))
        .reset_index()
    )
    folds = (
        table.drop_duplicates("patient").groupby(["fold", "aetiology"]).size().unstack(fill_value=0)
    ).reset_index()
    masks = int(table["lungs_width"].notna().sum()) if "lungs_width" in table else 0
    return "\n".join(
        [
            "# The training images",
            "",
            f"{len(table)} images of {table['patient'].nunique()} patients, {masks} with a lung "
            f"mask. Left out: {len(found.duplicates)} exact duplicates, {len(found.unreadable)} "
            "unreadable files.",
            f"Data digest `{found.digest}`, "
            f"folds digest `{folds_digest(assign_folds(found.records))}`.",
            "",
            "## Balance",
            markdown(balance),
            "",
            "![Images by aetiology](aetiology.png) ![Images per patient](images_per_patient.png)",
            "",
            "## Folds: contiguous blocks of patient numbers (patients)",
            markdown(folds),
            "",
            "## Label leaks",
            "How well one property alone, without a look at the lungs, tells the classes apart. "
            "0.5 is nothing; what is far above it must be drawn at random in training, or not be "
            "shown to a network at all.",
            "",
            markdown(leaks(table)),
            "",
            "![Brightness](brightness.png) ![Sharpness](sharpness.png) "
            "![File size](file_bytes.png)",
            "",
            "## Examples",
            "![Examples](examples.png)",
            "",
        ]
    )
