"""Entries of a manifest: networks, graphs, calibration, threshold, and the limits of pictures."""

from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

# No slash, no leading dot: a name can only mean a plain file of the bundle's own folder.
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^\S(.{0,126}\S)?$")]
Probability = Annotated[float, Field(ge=0, le=1)]
GoldenKind = Literal["ramp", "checker", "chest"]

_WHOLE_FRAME: Final = frozenset({"", "whole frame", "whole-frame", "local-contrast"})
"""What networks 1.x, which all take the whole frame, say of their view."""


def _today(view: object) -> object:
    return "frame" if isinstance(view, str) and view in _WHOLE_FRAME else view


ViewName = Annotated[
    Literal["frame", "lung_field", "lungs_only"],
    BeforeValidator(_today),
]
"""What a member sees: the whole frame, the lungs' box, or that with all but the lungs hidden."""

ChannelName = Literal["frame", "lung_field", "lungs_only", "lung_mask"]
"""What a channel of the engine's input shows."""


class Part(BaseModel):
    """What all entries have in common."""

    # Built when first used: to serve, only the manifest itself is, and the others as parts of it.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class MemberEntry(Part):
    """One network of the ensemble.

    ``mask`` says that it takes the lungs in its view as a second channel.
    """

    name: Name
    file: FileName
    sha256: Sha256
    architecture: str = ""
    view: ViewName = "frame"
    mask: bool = False
    metrics: dict[str, JsonValue] = {}

    @property
    def channels(self) -> tuple[ChannelName, ...]:
        """What the network takes."""
        return (self.view, "lung_mask") if self.mask else (self.view,)

    @model_validator(mode="after")
    def _mask_is_of_a_lung_view(self) -> Self:
        if self.mask and self.view == "frame":
            raise sentence("sees the whole frame, for which there is no mask of the lungs")
        return self


class Calibration(Part):
    """Correction of the combined probability p: ``sigmoid(slope * logit(p) + intercept)``.

    The slope is positive, so that calibration never changes which of two radiographs ranks higher.
    ``platt`` fits both numbers (Platt 1999).
    """

    method: Literal["none", "platt"] = "none"
    slope: float = Field(default=1.0, gt=0)
    intercept: float = 0.0
    fitted_on: str = ""
    prevalence: float | None = Field(
        default=None, gt=0, lt=1, description="Share of pneumonia that the probability is for."
    )

    @model_validator(mode="after")
    def _method_matches_its_numbers(self) -> Self:
        if self.method == "none" and (self.slope, self.intercept) != (1.0, 0.0):
            raise sentence("says that nothing is calibrated, yet holds a slope or an intercept")
        return self


class Threshold(Part):
    """A calibrated probability above ``value`` gives the positive label."""

    value: float = Field(gt=0, lt=1)
    rule: str


class Labels(Part):
    """Names of the two classes."""

    negative: Name = "NORMAL"
    positive: Name = "PNEUMONIA"

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        if self.negative == self.positive:
            raise sentence("gives both classes the same name")
        return self


class Golden(Part):
    """A synthetic radiograph and the probability that each member must give it."""

    kind: GoldenKind
    probabilities: tuple[Probability, ...]
    tolerance: float = Field(default=1e-3, gt=0, le=0.1)


class Agreement(Part):
    """How a graph compared with what it was made from, on radiographs: the figures of its gate."""

    images: int = Field(ge=0)
    largest_difference: float = Field(ge=0, description="Between two probabilities of one member.")
    largest_map_difference: float | None = Field(
        default=None, ge=0, description="Between two values of one map; null without maps."
    )
    verdicts_changed: int = Field(ge=0, description="Images that the two call differently.")
    auc_loss: float | None = Field(
        default=None, description="By how much the ensemble's AUC fell; null if not measured."
    )
    dice: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Mean Dice coefficient between the two graphs' masks; for lungs only.",
    )


class Graph(Part):
    """A compiled graph of one network or of several."""

    file: FileName
    sha256: Sha256


class Graphs(Graph):
    """One compiled graph of all networks, or the first of several that answer in their order."""

    further: tuple[Graph, ...] = Field(
        default=(), description="Graphs of the networks that follow those of the first."
    )

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """All of them, in the order of their answers."""
        return (self, *self.further)


class Quantised(Graphs):
    """Compiled graphs in 8-bit integers. Their answers differ slightly, so they have their own."""

    agreement: Agreement
    elsewhere: dict[str, Agreement] = Field(
        default={}, description="The same on films of other hospitals, by the name of each set."
    )
    golden: tuple[Golden, ...]


class Compiled(Graphs):
    """Graphs compiled from networks, and the digests of the files they were compiled from."""

    sources: dict[FileName, Sha256]
    agreement: Agreement | None = None
    int8: Quantised | None = None

    @property
    def every_graph(self) -> tuple[Graph, ...]:
        """Those of both precisions."""
        return self.graphs + (self.int8.graphs if self.int8 else ())


class LungsEntry(Part):
    """The segmentation network that finds the lungs, and how the lung field is cut out."""

    file: FileName
    sha256: Sha256
    architecture: str = ""
    side: int = Field(default=192, ge=32, le=1024, description="Of its square input, in pixels.")
    threshold: float = Field(
        default=0.5, gt=0, lt=1, description="Probability above which a pixel is lung."
    )
    margin: float = Field(
        default=0.06,
        ge=0,
        le=0.5,
        description="Added to the lungs' box on each side, as a share of its width or height.",
    )
    metrics: dict[str, JsonValue] = Field(default={}, description="Measured, such as Dice.")
    compiled: Compiled | None = None
    golden: tuple[Golden, ...] = Field(
        default=(), description="Mean probability of lung in the four quarters of the frame."
    )

    @model_validator(mode="after")
    def _has_one_graph(self) -> Self:
        if self.compiled and (
            self.compiled.further or (self.compiled.int8 or self.compiled).further
        ):
            raise sentence("has several graphs of one network")
        return self

    @model_validator(mode="after")
    def _golden_has_quarters(self) -> Self:
        quantised = self.compiled.int8 if self.compiled else None
        for golden in (*self.golden, *(quantised.golden if quantised else ())):
            if len(golden.probabilities) != 4:
                raise sentence("has a golden entry without one probability for each quarter")
        return self


class SuitabilityEntry(Part):
    """Limits outside of which a picture is refused as no frontal chest film, or warned of.

    The file is a NumPy archive that says how the features of training films are distributed; see
    ``service.inference.novelty``. The distance of a picture is its Mahalanobis distance to them.
    """

    file: FileName
    sha256: Sha256
    warn_distance: float = Field(gt=0, description="Distance above which a reader is warned.")
    refuse_distance: float = Field(gt=0, description="Distance above which it is refused.")
    warn_quality: float = Field(
        ge=0, le=1, description="Certainty of the lungs' outline below which a reader is warned."
    )
    refuse_quality: float = Field(ge=0, le=1, description="Below which the picture is refused.")
    warn_otherness: float | None = Field(
        default=None,
        description="Log odds of being another picture than a frontal chest film above which a "
        "reader is warned; null in a bundle that knows no other pictures.",
    )
    refuse_otherness: float | None = Field(
        default=None, description="Log odds above which a picture is refused."
    )
    metrics: dict[str, JsonValue] = Field(
        default={}, description="Shares of each kind of picture that are refused or warned of."
    )

    @model_validator(mode="after")
    def _warns_before_it_refuses(self) -> Self:
        if self.warn_distance > self.refuse_distance or self.warn_quality < self.refuse_quality:
            raise sentence("refuses pictures of which it would not warn")
        warn, refuse = self.warn_otherness, self.refuse_otherness
        if (warn is None) != (refuse is None):
            raise sentence("has one of two limits of the otherness")
        if warn is not None and refuse is not None and warn > refuse:
            raise sentence("refuses pictures of which it would not warn")
        return self


class Indeterminate(Part):
    """Probabilities that call for a radiologist: from ``lower`` to ``upper``, both included.

    Chosen by conformal prediction within each class (Sadinle, Lei and Wasserman 2019; Angelopoulos
    and Bates 2021): of films like those of the calibration, at most the stated share of either
    class is assessed as the other. Other hospitals' films may exceed that.
    """

    lower: Probability
    upper: Probability
    error: float = Field(
        gt=0,
        lt=0.5,
        description="Share of each class that is assessed wrongly at most: the target, or more "
        "where more was found in any block of films that had no part in the choice.",
    )
    target: float | None = Field(
        default=None, gt=0, lt=0.5, description="The error that the range was chosen for."
    )
    coverage: Probability = Field(description="Share of all films that were assessed, measured.")
    fitted_on: str = ""
    metrics: dict[str, JsonValue] = Field(
        default={},
        description="Shares that were assessed wrongly in blocks that had no part in the choice.",
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.lower > self.upper:
            raise sentence("has a lower bound above the upper one")
        return self


def sentence(ending: str) -> PydanticCustomError:
    """A validation error that says of a field what is wrong with it."""
    return PydanticCustomError("sentence", "{ending}", {"ending": ending})
