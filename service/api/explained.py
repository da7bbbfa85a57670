"""The wire contract of ``/explain`` in figures: a verdict with the maps that it rests on."""

from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.api.problems import Answer
from service.api.schemas import PixelBox, RequestId, Screened
from service.i18n import Language
from service.screening.explanation import Explanation
from service.screening.overlay import FULL_SCALE
from service.screening.wording import describe_map

DECIMALS: Final = 6


class MapGrid(Answer):
    """The cells of a class activation map."""

    rows: int = Field(ge=1, description="Cells from top to bottom.")
    columns: int = Field(ge=1, description="Cells from left to right.")


class LungOutline(Answer):
    """The outline of one lung, as the segmentation network drew it."""

    lung: Literal["left", "right"] = Field(
        description="The patient's left or right lung; the left one is seen on the right."
    )
    points: list[tuple[float, float]] = Field(
        description="Corners of a closed polygon: column and row, in pixels of the upright image."
    )


class MemberMap(Answer):
    """Where one network found what speaks for or against pneumonia."""

    name: str = Field(description="Name of the network.")
    values: list[list[float]] = Field(description="Its map, row by row from the top.")


class Explained(Answer):
    """A verdict and where in the picture it comes from; it outlines no lesion and is no finding."""

    verdict: Screened = Field(description="What `/v1/predict` answers for this file.")
    grid: MapGrid = Field(description="The cells; together they cover the box `covers`.")
    covers: PixelBox = Field(
        description="What the maps lie on: the lungs' box with a margin, which may reach beyond "
        "the image, or the whole image for a model that does not look for lungs."
    )
    outlines: list[LungOutline] = Field(
        description="Of both lungs; empty for a model that does not look for them. The PNG colours "
        "only what lies inside; `verdict.lungs` says how much of the evidence that is."
    )
    units: Literal["logit"] = Field(
        "logit",
        description="What a value counts: what its cell adds to the logit before calibration. "
        "Above 0 it speaks for pneumonia, below 0 against it.",
    )
    full_scale: float = Field(gt=0, description="The value at which the colours of the PNG end.")
    heat: list[list[float]] = Field(
        description="Mean of the networks' maps, which the PNG shows: row by row from the top."
    )
    members: list[MemberMap] = Field(description="The map of each network by itself.")
    note: str = Field(
        description="What the map is and is not, for people, in the language of `summary`."
    )
    request_id: RequestId

    @classmethod
    def from_explanation(
        cls, explanation: Explanation, request_id: str, language: Language = "en"
    ) -> Self:
        """Put an explanation into the form in which it is sent."""
        heat = explanation.heat
        rows, columns = heat.shape
        width, height = explanation.radiograph.width, explanation.radiograph.height
        covers = [
            round(share * (height if axis % 2 else width))
            for axis, share in enumerate(explanation.covers)
        ]
        return cls(
            verdict=Screened.from_verdict(explanation.verdict, request_id, language),
            grid=MapGrid(rows=rows, columns=columns),
            covers=PixelBox(**dict(zip(("left", "top", "right", "bottom"), covers, strict=True))),
            outlines=[
                LungOutline(
                    lung=lung, points=[(round(x * width, 1), round(y * height, 1)) for x, y in line]
                )
                for lung, line in (explanation.lungs.outlines if explanation.lungs else ())
            ],
            full_scale=round(FULL_SCALE / heat.size, DECIMALS),
            heat=_rounded(heat),
            members=[
                MemberMap(name=member.name, values=_rounded(values))
                for member, values in zip(
                    explanation.verdict.members, explanation.maps, strict=True
                )
            ],
            note=describe_map(explanation, language),
            request_id=request_id,
        )


def _rounded(values: NDArray[np.float32]) -> list[list[float]]:
    """A map for JSON; the digits beyond say nothing in a 32-bit float."""
    rows: list[list[float]] = np.round(values.astype(np.float64), DECIMALS).tolist()
    return rows
