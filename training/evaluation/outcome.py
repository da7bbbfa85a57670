"""The JSON files of an evaluation: what the card is written from."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from training.data import DataError

Part = Literal["out_of_fold", "frame_exchange", "audit", "external", "segmentation", "calibration"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)


def write_outcome(folder: Path, name: str, figures: Mapping[str, Any], bundle: str) -> Path:
    """Write one command's figures.

    Args:
        folder: Of the run; made if it does not exist.
        name: One of ``PARTS``, or any other for figures that the card does not show.
        figures: What was measured.
        bundle: Digest of the networks, so that a card never mixes figures of two bundles.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = {
        "networks": bundle,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        **figures,
    }
    partial = path.with_suffix(".partial")
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def read_outcome(folder: Path, part: Part, bundle: str) -> dict[str, Any] | None:
    """Read what one command wrote; None if it was not run, or on other networks."""
    path = folder / f"{part}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found if found["networks"] == bundle else None


def read_outcomes(folder: Path, bundle: str) -> dict[Part, dict[str, Any]]:
    """Read what a run's commands wrote, by part; parts that were not run are missing.

    Raises:
        DataError: A file belongs to other networks than these.
    """
    found = {part: read_outcome(folder, part, bundle) for part in PARTS}
    for part, figures in found.items():
        if figures is None and (folder / f"{part}.json").exists():
            raise DataError(f"{folder / part}.json was measured on other networks. Measure again.")
    return {part: figures for part, figures in found.items() if figures is not None}
