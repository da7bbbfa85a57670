"""Recipes: all that decides what a fit gives, in a TOML file for each network."""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.lungs import View
from training.data import DataError
from training.fit.views import ViewSpec

RECIPES: Final = Path(__file__).parent / "recipes"

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a recipe's file.

        Raises:
            DataError: It cannot be read, or a field is missing, unknown or out of range.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"The recipe {path} cannot be read.") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise DataError(f"The recipe {path.name}, field {field}: {first['msg']}.") from error


class Schedule(_Part):
    """How long and how fast.

    Attributes:
        epochs: Each ends with figures and a checkpoint.
        images: Of an epoch.
        batch: Images of a step.
        rate: Of AdamW (Loshchilov 2019, arXiv:1711.05101), at its highest. It rises linearly over
            ``warmup`` steps and falls as a half cosine to ``last_rate``.
        last_rate: At the end.
        warmup: Steps.
        weight_decay: Of AdamW.
        average: The network that is kept is the exponential moving average of the weights, with
            this decay; at first it follows faster, see ``ramp``.
        ramp: At step k the decay is at most k / (k + ``ramp``).
        clip: Largest norm of a step's gradient; None leaves it.
    """

    epochs: int = Field(ge=1)
    images: int = Field(ge=1)
    batch: int = Field(default=32, ge=4)
    rate: float = Field(gt=0)
    last_rate: float = Field(default=0.0, ge=0)
    warmup: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    average: Share = 0.99
    ramp: int = Field(default=10, ge=1)
    clip: float | None = Field(default=None, gt=0)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return max(self.images // self.batch, 1)


class LungsRecipe(_Part):
    """How the segmentation network is fitted.

    Attributes:
        name: Of the runs' folder.
        network: Which network it is.
        seed: Of weights and draws.
        folds: Blocks of patients, one of which is held out.
        side: Of its input, in pixels.
        schedule: How long and how fast.
    """

    name: str
    network: Literal["lungs"]
    seed: int = 0
    folds: int = Field(default=5, ge=2)
    side: int = Field(default=192, ge=32, multiple_of=32)
    schedule: Schedule


class MemberRecipe(_Part):
    """How a member of the ensemble is fitted.

    Attributes:
        name: Of the runs' folder.
        network: Which network it is: EfficientNet-Lite0 with the weights of ImageNet.
        view: What it sees.
        seed: Of new weights and draws.
        side: Of its view, in pixels.
        schedule: How long and how fast.
        dropout: Before the heads.
        head_rate: Factor on the rate of what is not pretrained.
        smoothing: Targets are this far from 0 and 1.
        aetiology: Weight of the auxiliary loss, normal / bacterial / viral.
        other_hospital: Films in a batch from ``adults_nih``, each class equally often; the rest is
            a third normal, a third bacterial and a third viral.
        large_share: How often the larger copy of a film is taken where there is one.
        histogram: Share of films whose grey levels are mixed with another's.
        spectrum: Share of films that take the spectrum of another's detail.
    """

    name: str
    network: Literal["lite0"]
    view: View
    seed: int = 0
    side: int = Field(default=192, ge=64, multiple_of=32)
    schedule: Schedule
    dropout: Share = 0.2
    head_rate: float = Field(default=3.0, gt=0)
    smoothing: float = Field(default=0.03, ge=0, lt=0.5)
    aetiology: float = Field(default=0.3, ge=0)
    other_hospital: int = Field(default=5, ge=0)
    large_share: Share = 0.7
    histogram: Share = 0.5
    spectrum: Share = 0.6

    @property
    def views(self) -> ViewSpec:
        """What its network sees."""
        return ViewSpec(self.view, self.side, self.histogram, self.spectrum)


Recipe = LungsRecipe | MemberRecipe
