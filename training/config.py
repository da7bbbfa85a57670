"""A member's recipe: everything that decides how one network is trained, read from a TOML file."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.imaging import InputSpec
from training.data import DataError

Share = Annotated[float, Field(ge=0, le=1)]
Natural = Annotated[int, Field(ge=1)]
View = Literal["whole-frame", "local-contrast"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Architecture(_Section):
    """Shape of the network."""

    view: View = "whole-frame"
    widths: tuple[Natural, ...] = (32, 64, 128, 192)
    depths: tuple[Natural, ...] = (1, 2, 2, 1)
    stem_width: Natural = 32
    dropout: Share = 0.3
    squeeze: bool = False


class Augmentation(_Section):
    """Ranges (symmetric, in the unit named) and probabilities of random acquisition.

    ``affine`` is the share of frames that are turned, shifted, sheared and zoomed. The others stay
    upright: half of them as they are, half with up to ``frame`` of their side cropped from, or
    added to, each border.

    Before that, one axis is cropped, by up to ``field`` in the logarithm of the aspect ratio.
    ``recentre`` moves the middle of that range apart for the two classes: half of it narrower for
    pneumonia, half of it wider for normal. With the difference of the classes' median aspect
    ratios, shape no longer tells the label.
    """

    sides: tuple[Natural, Natural] = (128, 257)
    field: float = 0.0
    recentre: float = 0.0
    affine: Share = 1.0
    frame: float = 0.0
    stretch: float = 0.35
    zoom: float = 0.18
    rotation: float = 10.0
    shear: float = 0.06
    shift: float = 0.06
    flip: Share = 0.5
    gamma: float = 0.5
    contrast: float = 0.35
    brightness: float = 0.12
    equalise: Share = 0.1
    blur: Share = 0.35
    blur_radius: tuple[float, float] = (0.3, 1.8)
    sharpen: Share = 0.3
    noise: Share = 0.4
    noise_sigma: float = 12.0
    blank: Share = 0.4
    jpeg: Share = 0.7
    jpeg_quality: tuple[Natural, Natural] = (25, 96)


class Schedule(_Section):
    """Length and pace of a run.

    With ``average`` above 1 the member is the mean of the weights after each of the last so many
    epochs (Izmailov et al. 2018, arXiv:1803.05407), and no epoch is picked by the held-out fold.
    """

    epochs: Natural = 14
    images_per_epoch: Natural = 3072
    batch: Natural = 64
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 1e-3
    label_smoothing: Share = 0.05
    aetiology_weight: float = 0.3
    patience: Natural = 6
    average: Natural = 1

    @model_validator(mode="after")
    def _epochs_suffice(self) -> Self:
        if self.average > self.epochs:
            raise ValueError("average is more than the epochs there are")
        if self.warmup_epochs >= self.epochs:
            raise ValueError("warmup_epochs leaves no epoch to train in")
        return self

    workers: Natural = 2


class Recipe(_Section):
    """One member, whole.

    ``note`` says why it was tried and what came of it, for EXPERIMENTS.md; it is not part of what a
    run is made from.
    """

    name: str
    seed: int = 1
    input: InputSpec = InputSpec(height=192, width=192)
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    architecture: Architecture = Architecture()
    augmentation: Augmentation = Augmentation()
    schedule: Schedule = Schedule()
    start: "Recipe | None" = None
    note: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _start_fits(self) -> Self:
        if self.start and (
            (self.start.architecture, self.start.input) != (self.architecture, self.input)
        ):
            raise ValueError("start is of another architecture or input")
        return self

    @property
    def chain(self) -> "tuple[Recipe, ...]":
        """The recipes that lead to this one's member, the first one first."""
        return (*self.start.chain, self) if self.start else (self,)

    @property
    def member(self) -> str:
        """Name of its member in a bundle: what it looks at, which the service has words for."""
        return self.architecture.view

    def reseeded(self, seed: int) -> "Recipe":
        """The same recipe with another seed, under a name of its own; its start stays."""
        if seed == self.seed:
            return self
        return self.model_copy(update={"name": f"{self.name}-seed-{seed}", "seed": seed})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a recipe; a field that is unknown or out of range is named.

        ``start`` in the file is the name of another recipe beside it: training goes on from the
        member which that one makes.

        Raises:
            DataError: The file is missing, is not TOML, or does not fit.
        """
        try:
            fields = tomllib.loads(path.read_text())
            if "start" in fields:
                beginning = path.with_name(str(fields["start"]))
                if beginning == path:
                    raise DataError(f"{path.name} starts from itself.")
                fields["start"] = cls.read(beginning)
            return cls.model_validate(fields)
        except FileNotFoundError:
            raise DataError(f"There is no recipe at {path}.") from None
        except tomllib.TOMLDecodeError as error:
            raise DataError(f"{path.name} is not valid TOML: {error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise DataError(f"{path.name}: {field}: {first['msg']}.") from error
