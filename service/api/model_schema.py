"""The wire contract of ``/model``: the bundle that answers, as its manifest describes it."""

from typing import Any, Literal, Self

from pydantic import Field, JsonValue

from service.api.problems import Answer
from service.api.schemas import DIGEST, SHA256, ModelIdentity, Probability
from service.inference import Ensemble


class ModelMember(Answer):
    """One network of the model."""

    name: str = Field(description="Name of the network.", examples=["tuned"])
    file: str = Field(
        description="Its file in the bundle.", examples=["modelo_afinado_tuning.keras"]
    )
    sha256: str = Field(description="SHA-256 digest of that file.", examples=[SHA256])
    architecture: str = Field(
        description="What kind of network it is; empty if unknown.",
        examples=["depthwise-separable CNN, 0.4 M parameters"],
    )
    view: str = Field(
        description="What it sees: `frame`, the whole radiograph; `lung_field`, the lungs' box; "
        "`lungs_only`, that box with all but the lungs hidden.",
        examples=["lung_field"],
    )
    mask: bool = Field(
        description="Whether it takes the lungs' mask, and averages its evidence over the lungs.",
        examples=[True],
    )
    metrics: dict[str, JsonValue] = Field(
        description="Figures measured for it alone.", examples=[{"auc": 0.97}]
    )


class ModelLungs(Answer):
    """The network that finds the lungs, and how the lung field is cut out."""

    file: str = Field(description="Its file in the bundle.", examples=["lungs.keras"])
    sha256: str = Field(description="SHA-256 digest of that file.", examples=[SHA256])
    architecture: str = Field(
        description="What kind of network it is; empty if unknown.", examples=["U-Net"]
    )
    side: int = Field(ge=1, description="Side of its square input, in pixels.", examples=[192])
    threshold: Probability = Field(
        description="Probability above which a pixel is lung.", examples=[0.5]
    )
    margin: float = Field(
        ge=0,
        description="Added to the lungs' box on each side, as a share of its width or height.",
        examples=[0.06],
    )
    metrics: dict[str, JsonValue] = Field(
        description="Figures measured for it.", examples=[{"dice": 0.96}]
    )


class ModelInput(Answer):
    """What the networks take as input."""

    height: int = Field(ge=1, description="Rows, in pixels.", examples=[256])
    width: int = Field(ge=1, description="Columns, in pixels.", examples=[256])
    channels: int = Field(ge=1, description="1 for greyscale.", examples=[1])
    scale: float = Field(
        gt=0, description="Factor from grey level (0 to 255) to input value.", examples=[1 / 255]
    )
    resampling: str = Field(description="Filter of the resize.", examples=["bicubic"])


class ModelCalibration(Answer):
    """How the combined probability p is corrected: sigmoid(slope * logit(p) + intercept)."""

    method: str = Field(description="none, platt or temperature.", examples=["platt"])
    slope: float = Field(description="Factor on the logit.", examples=[1.12])
    intercept: float = Field(description="Added to the logit.", examples=[-0.08])
    fitted_on: str = Field(
        description="What it was fitted on; empty if unknown.",
        examples=["out-of-fold predictions"],
    )
    prevalence: Probability | None = Field(
        description="Share of pneumonia that the probability is for; null if unknown.",
        examples=[0.67],
    )


class ModelThreshold(Answer):
    """The operating point."""

    value: Probability = Field(description="Probabilities above it are positive.", examples=[0.5])
    rule: str = Field(
        description="How it was chosen.", examples=["highest with a sensitivity of at least 0.95"]
    )


class ModelSuitability(Answer):
    """Limits outside of which a picture is refused as no frontal chest film, or warned of."""

    file: str = Field(
        description="Its file in the bundle: the distribution of training films' features.",
        examples=["suitability.npz"],
    )
    sha256: str = Field(description="SHA-256 digest of that file.", examples=[SHA256])
    warn_distance: float = Field(
        description="Mahalanobis distance to the training films above which `/v1/predict` warns.",
        examples=[27.5],
    )
    refuse_distance: float = Field(
        description="Distance above which a picture is refused.", examples=[37.5]
    )
    warn_quality: Probability = Field(
        description="Certainty of the lungs' outline below which `/v1/predict` warns.",
        examples=[0.8],
    )
    refuse_quality: Probability = Field(
        description="Certainty below which a picture is refused.", examples=[0.65]
    )
    warn_otherness: float | None = Field(
        description="Log odds of being another picture than a frontal chest film above which "
        "`/predict` warns; null for a model that knows no other pictures.",
        examples=[-1.6],
    )
    refuse_otherness: float | None = Field(
        description="Log odds above which a picture is refused.", examples=[-0.3]
    )
    metrics: dict[str, JsonValue] = Field(
        description="Shares of each kind of picture that are refused or warned of.",
        examples=[{"frontal": {"training set, held out": {"pictures": 1800}}}],
    )


class ModelIndeterminate(Answer):
    """The probabilities that are assessed as indeterminate, both bounds included."""

    lower: Probability = Field(description="Lowest.", examples=[0.18])
    upper: Probability = Field(description="Highest.", examples=[0.64])
    error: float = Field(
        description="Share of each class that is assessed wrongly at most, of films like those of "
        "the calibration: the target, or more where more was found in any block of films that had "
        "no part in the choice of the range.",
        examples=[0.034],
    )
    target: float | None = Field(
        description="The error that the range was chosen for; null if unknown.", examples=[0.02]
    )
    coverage: Probability = Field(
        description="Share of films that were not indeterminate.", examples=[0.91]
    )
    fitted_on: str = Field(
        description="What it was fitted on; empty if unknown.",
        examples=["out-of-fold predictions"],
    )
    metrics: dict[str, JsonValue] = Field(
        description="Shares of each class that were assessed wrongly in blocks of films that had "
        "no part in the choice: of all, and of the best and the worst block.",
        examples=[{"best_normal": 0.006, "worst_normal": 0.034}],
    )


class ModelLabels(Answer):
    """What the two classes are called."""

    negative: str = Field(description="At or below the threshold.", examples=["NORMAL"])
    positive: str = Field(description="Above the threshold.", examples=["PNEUMONIA"])


class ModelTrainingData(Answer):
    """What the networks were trained on."""

    digest: str = Field(description="Identifies the data.", examples=[DIGEST])
    description: str = Field(
        description="What the data are.", examples=["Chest radiographs of children, 1 to 5 years"]
    )
    images: int = Field(ge=0, description="Number of images.", examples=[2400])
    patients: int = Field(ge=0, description="Number of patients.", examples=[1300])


class ModelMetrics(Answer):
    """What was measured of the whole ensemble, and how."""

    protocol: str = Field(
        description="How it was measured.", examples=["out-of-fold, 5 folds by patient"]
    )
    figures: dict[str, JsonValue] = Field(description="The figures.", examples=[{"auc": 0.975}])


class Model(ModelIdentity):
    """The model that answers, as its manifest describes it."""

    provenance: Literal["manifest", "bring-your-own"] = Field(
        description="`manifest`: every file was checked against a manifest. `bring-your-own`: two "
        "network files without one, answered as the original script did.",
        examples=["manifest"],
    )
    engine: str = Field(description="What computes the networks.", examples=["onnx"])
    precision: Literal["fp32", "int8"] = Field(
        description="Arithmetic of their convolutions.", examples=["fp32"]
    )
    warning: str = Field(
        description="What the operator should know of that engine; empty if there is nothing.",
        examples=[""],
    )
    members: list[ModelMember] = Field(description="The networks, in the order of their scores.")
    lungs: ModelLungs | None = Field(
        description="What finds the lungs; null for networks that see the whole frame only."
    )
    input: ModelInput = Field(description="What the networks take as input.")
    combine: Literal["mean", "mean_logit"] = Field(
        description="How the networks' probabilities become one: their mean, or the sigmoid of "
        "their mean logit.",
        examples=["mean_logit"],
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
