"""The wire contract of ``/model``: the bundle that answers, as its manifest describes it."""

from typing import Any, Literal, Self

from pydantic import Field, JsonValue

from service.api.problems import Answer
from service.api.schemas import IndeterminateRange, ModelIdentity, Probability
from service.inference import Ensemble


class ModelMember(Answer):
    """One network of the model."""

    name: str = Field(description="Name of the network.")
    file: str = Field(description="Its file in the bundle.")
    sha256: str = Field(description="SHA-256 digest of that file.")
    architecture: str = Field(description="What kind of network it is; empty if unknown.")
    view: str = Field(
        description="What it sees: `frame`, the whole radiograph; `lung_field`, the lungs' box; "
        "`lungs_only`, that box with all but the lungs hidden.",
    )
    mask: bool = Field(
        description="Whether it takes the lungs' mask, and averages its evidence over the lungs."
    )
    metrics: dict[str, JsonValue] = Field(description="Figures measured for it alone.")


class ModelLungs(Answer):
    """The network that finds the lungs, and how the lung field is cut out."""

    file: str = Field(description="Its file in the bundle.")
    sha256: str = Field(description="SHA-256 digest of that file.")
    architecture: str = Field(description="What kind of network it is; empty if unknown.")
    side: int = Field(ge=1, description="Side of its square input, in pixels.")
    threshold: Probability = Field(description="Probability above which a pixel is lung.")
    margin: float = Field(
        ge=0,
        description="Added to the lungs' box on each side, as a share of its width or height.",
    )
    metrics: dict[str, JsonValue] = Field(description="Figures measured for it.")


class ModelInput(Answer):
    """What the networks take as input."""

    height: int = Field(ge=1, description="Rows, in pixels.")
    width: int = Field(ge=1, description="Columns, in pixels.")
    channels: int = Field(ge=1, description="1 for greyscale.")
    scale: float = Field(gt=0, description="Factor from grey level (0 to 255) to input value.")
    resampling: str = Field(description="Filter of the resize.")


class ModelCalibration(Answer):
    """How the combined probability p is corrected: sigmoid(slope * logit(p) + intercept)."""

    method: str = Field(description="none or platt.")
    slope: float = Field(description="Factor on the logit.")
    intercept: float = Field(description="Added to the logit.")
    fitted_on: str = Field(description="What it was fitted on; empty if unknown.")
    prevalence: Probability | None = Field(
        description="Share of pneumonia that the probability is for; null if unknown."
    )


class ModelThreshold(Answer):
    """The operating point."""

    value: Probability = Field(description="Probabilities above it are positive.")
    rule: str = Field(description="How it was chosen.")


class ModelSuitability(Answer):
    """Limits outside of which a picture is refused as no frontal chest film, or warned of."""

    file: str = Field(
        description="Its file in the bundle: the distribution of training films' features."
    )
    sha256: str = Field(description="SHA-256 digest of that file.")
    warn_distance: float = Field(
        description="Mahalanobis distance to the training films above which `/v1/predict` warns."
    )
    refuse_distance: float = Field(description="Distance above which a picture is refused.")
    warn_quality: Probability = Field(
        description="Certainty of the lungs' outline below which `/v1/predict` warns."
    )
    refuse_quality: Probability = Field(description="Certainty below which a picture is refused.")
    warn_otherness: float | None = Field(
        description="Log odds of being another picture than a frontal chest film above which "
        "`/v1/predict` warns; null for a model that knows no other pictures.",
    )
    refuse_otherness: float | None = Field(description="Log odds above which a picture is refused.")
    metrics: dict[str, JsonValue] = Field(
        description="Shares of each kind of picture that are refused or warned of."
    )


class ModelIndeterminate(IndeterminateRange):
    """The range that is indeterminate, and what was measured of it."""

    error: float = Field(
        description="Share of each class that is assessed wrongly at most, of films like those of "
        "the calibration: the target, or more where more was found in any block of films that had "
        "no part in the choice of the range.",
    )
    target: float | None = Field(
        description="The error that the range was chosen for; null if unknown."
    )
    coverage: Probability = Field(description="Share of films that were not indeterminate.")
    fitted_on: str = Field(description="What it was fitted on; empty if unknown.")
    metrics: dict[str, JsonValue] = Field(
        description="Shares of each class that were assessed wrongly in blocks of films that had "
        "no part in the choice: of all, and of the best and the worst block.",
    )


class ModelLabels(Answer):
    """What the two classes are called."""

    negative: str = Field(description="At or below the threshold.")
    positive: str = Field(description="Above the threshold.")


class ModelAges(Answer):
    """Ages in whole years; both ends are included."""

    youngest: int = Field(ge=0, description="The lowest of them.")
    oldest: int = Field(ge=0, description="The highest of them.")


class ModelTrainingData(Answer):
    """What the networks were trained on."""

    digest: str = Field(description="Identifies the data.")
    description: str = Field(description="What the data are.")
    images: int = Field(ge=0, description="Number of images.")
    patients: int = Field(ge=0, description="Number of patients.")
    ages: ModelAges | None = Field(
        description="Ages of most patients; a DICOM file that says another age gets the warning "
        "`outside_population`. Null if they are not known."
    )


class ModelMetrics(Answer):
    """What was measured of the whole ensemble, and how."""

    protocol: str = Field(description="How it was measured.")
    figures: dict[str, JsonValue] = Field(description="The figures.")


class Model(ModelIdentity):
    """The model that answers, as its manifest describes it."""

    provenance: Literal["manifest", "bring-your-own"] = Field(
        description="`manifest`: every file was checked against a manifest. `bring-your-own`: two "
        "network files without one, answered as the original script did.",
    )
    engine: str = Field(description="What computes the networks.")
    precision: Literal["fp32", "int8"] = Field(description="Arithmetic of their convolutions.")
    warning: str = Field(
        description="What the operator should know of that engine; empty if there is nothing."
    )
    members: list[ModelMember] = Field(description="The networks, in the order of their scores.")
    lungs: ModelLungs | None = Field(
        description="What finds the lungs; null for networks that see the whole frame only."
    )
    input: ModelInput = Field(description="What the networks take as input.")
    combine: Literal["mean", "mean_logit"] = Field(
        description="How the networks' probabilities become one: their mean, or the sigmoid of "
        "their mean logit.",
    )
    calibration: ModelCalibration = Field(description="How that probability is corrected.")
    threshold: ModelThreshold = Field(description="The operating point.")
    suitability: ModelSuitability | None = Field(
        description="Which pictures are refused or warned of; null if only those without lungs are."
    )
    indeterminate: ModelIndeterminate | None = Field(
        description="When a radiologist should decide; null for a model that always assesses."
    )
    labels: ModelLabels = Field(description="What the two classes are called.")
    metrics: ModelMetrics | None = Field(description="What was measured; null if unknown.")
    training_data: ModelTrainingData | None = Field(
        description="What the networks were trained on; null if unknown."
    )

    @classmethod
    def from_ensemble(cls, ensemble: Ensemble) -> Self:
        """Describe a loaded ensemble."""
        manifest = ensemble.bundle.manifest
        fields: dict[str, Any] = dict.fromkeys(cls.model_fields, True)
        fields["lungs"] = set(ModelLungs.model_fields)
        return cls(
            **manifest.model_dump(include=fields, mode="json"),
            digest=ensemble.bundle.digest,
            provenance=ensemble.bundle.provenance,
            engine=ensemble.engine_name,
            precision=ensemble.precision,
            warning=ensemble.warning,
        )
