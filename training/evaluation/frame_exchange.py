"""Frame exchange: each film is framed as a film of the other class.

How the lungs lie in the frame tells the classes of the training split apart without a pixel of the
lungs. A verdict that rests on the lungs does not change when the frames are exchanged.
"""

import hashlib
import math
from typing import Any, Final

import numpy as np
import pandas as pd
from PIL import Image

from service.inference import Manifest
from training.evaluation.films import Film
from training.evaluation.nuisance import BOX, SIDES
from training.evaluation.scoring import answered, probabilities
from training.evaluation.statistics import auc_interval, proportion

NAME: Final = "frame-exchange"

_BLACK: Final = 16.0
"""Mean grey level of a film's rim below which its hospital shows it black on that side."""


class FrameExchange:
    """Crops or pads a film until its lungs lie in the frame as those of a film of the other class.

    Beyond the film there is black where the other film's rim is black on that side, and the film's
    own edge, repeated, where it is not.

    Args:
        clean: Scores of all films under no condition (see ``training.evaluation.scoring``). Films
            whose lungs are known lend their frames.
        seed: Equal seeds draw equal partners.

    Attributes:
        name: Of the condition: it tells exchanges with other partners apart.
    """

    def __init__(self, clean: pd.DataFrame, seed: int = 0) -> None:
        known = clean[clean[list(BOX)].notna().all(axis=1)]
        frames_text = known[["file", *BOX, *SIDES]].to_csv(float_format="%.4f")
        digest = hashlib.sha256(f"{seed} {frames_text}".encode()).hexdigest()[:8]
        self.name = f"{NAME}-{digest}"
        rng = np.random.default_rng(seed)
        self._own: dict[str, tuple[float, ...]] = {}
        self._lent: dict[str, tuple[tuple[float, ...], tuple[bool, ...]]] = {}
        frames = {
            label: group[[*BOX, *SIDES]].to_numpy(dtype=np.float64)
            for label, group in known.groupby("label")
        }
        for file, label, *box in known[["file", "label", *BOX]].itertuples(index=False):
            lenders = frames.get(1 - label, np.empty((0, 8)))
            if not len(lenders):
                continue
            lent = lenders[rng.integers(len(lenders))]
            self._own[file] = tuple(box)
            self._lent[file] = tuple(lent[:4]), tuple(level < _BLACK for level in lent[4:])

    def __call__(self, film: Film, picture: Image.Image) -> Image.Image | None:
        """The film in its partner's frame; None where its lungs are not known."""
        if film.file not in self._own:
            return None
        box, black = self._lent[film.file]
        return reframe(picture, self._own[film.file], box, black)


def reframe(
    picture: Image.Image,
    own: tuple[float, ...],
    wanted: tuple[float, ...],
    black: tuple[bool, ...] = (True, True, True, True),
) -> Image.Image:
    """Crop or pad a picture until a box lies in the frame as another does in its own.

    Nothing is resized: the new frame has as many pixels as the wanted box asks for.

    Args:
        picture: Mode L.
        own: Left, top, right and bottom of the box, as shares of the picture's frame.
        wanted: The same of the other box, in its frame.
        black: For the sides left, top, right and bottom, whether what lies beyond the picture is
            black; it repeats the picture's edge otherwise.
    """
    x = _window(own[0] * picture.width, own[2] * picture.width, wanted[0], wanted[2])
    y = _window(own[1] * picture.height, own[3] * picture.height, wanted[1], wanted[3])
    columns, outside_x = _places(x, picture.width)
    rows, outside_y = _places(y, picture.height)
    framed = np.asarray(picture)[np.ix_(rows, columns)]
    dark_columns = ((outside_x < 0) & black[0]) | ((outside_x > 0) & black[2])
    dark_rows = ((outside_y < 0) & black[1]) | ((outside_y > 0) & black[3])
    return Image.fromarray(
        np.where(dark_rows[:, None] | dark_columns[None], 0, framed).astype("u1")
    )


def exchange_figures(
    clean: pd.DataFrame, exchanged: pd.DataFrame, manifest: Manifest
) -> dict[str, Any]:
    """What the exchange did to verdicts and ranking.

    Args:
        clean: Scores of the films as they are.
        exchanged: Scores of the same films under the exchange, in the same order.
        manifest: Calibration and threshold.

    Returns:
        ``films`` that were exchanged and answered both times; ``changed``, the share of verdicts
        that changed, of all and by true class; ``auc_before`` and ``auc_after``;
        ``refused_after``, films that are answered only in their own frame.
    """
    both = (clean["refused"] == "") & (exchanged["refused"] == "")
    lost = (clean["refused"] == "") & (exchanged["refused"] != "") & exchanged["mean"].notna()
    before, after = (answered(table[both]) for table in (clean, exchanged))
    labels = before["label"].to_numpy(dtype=np.int64)
    patients = before["patient"].astype(str).tolist()
    first, second = (probabilities(table, manifest) for table in (before, after))
    cut = manifest.threshold.value
    changed = (first > cut) != (second > cut)
    return {
        "films": len(before),
        "changed": proportion(changed),
        "changed_normal": proportion(changed[labels == 0]),
        "changed_pneumonia": proportion(changed[labels == 1]),
        "auc_before": auc_interval(labels, first, patients),
        "auc_after": auc_interval(labels, second, patients),
        "refused_after": int(lost.sum()),
    }


def _window(low: float, high: float, wanted_low: float, wanted_high: float) -> tuple[int, int]:
    """Where the new frame begins and ends along an axis, in pixels of the picture."""
    length = (high - low) / (wanted_high - wanted_low)
    start = math.floor(low - wanted_low * length + 0.5)
    return start, start + max(1, round(length))


def _places(window: tuple[int, int], length: int) -> tuple[Any, Any]:
    """For each place of the window, the picture's place, and -1 or 1 where it lies beyond it."""
    wanted = np.arange(*window)
    beyond = np.sign(np.where(wanted < 0, -1, np.where(wanted >= length, 1, 0)))
    return np.clip(wanted, 0, length - 1), beyond
