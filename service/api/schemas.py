"""The wire contract: what the service answers, each field described and with an example."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import to_json

from service.api.problems import Problem
from service.i18n import Language
from service.inference import Bundle, Ensemble
from service.screening.verdict import Verdict
from service.screening.wording import summarise

_DIGEST = "sha256:9b1c3f0e5d7a42688f1e0c2b4a6d8e9f1a3c5e7092b4d6f80a1c2e3f40516273"
_SHA256 = "3f786850e387550fdab836ed7e6dc881de23001b3f786850e387550fdab836ed"

Probability = Annotated[float, Field(ge=0, le=1)]
RequestId = Annotated[
    str,
    Field(
        description="Name of this request; also in the header X-Request-ID.",
        examples=["5f2b8a0c9d3e4f61a7b8c9d0e1f20314"],
    ),
]


class Answer(BaseModel):
    """What the service answers holds just the fields that are described."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class MemberProbability(Answer):
    """What one network of the ensemble says, calibrated like the ensemble's probability."""

    name: str = Field(description="Name of the network.", examples=["tuned"])
    probability: Probability = Field(
        description="Its probability of the positive class, rounded to 4 decimals.",
        examples=[0.6012],
    )


class ModelIdentity(Answer):
    """Which model gave the answer."""

    name: str = Field(description="Name of the model.", examples=["paediatric-pneumonia"])
    version: str = Field(description="Its version.", examples=["1.0.0"])
    digest: str = Field(
        description="Identifies the manifest and every network file of the model.",
        examples=[_DIGEST],
    )


class ImageIdentity(Answer):
    """Which image the answer is about. The name of the file is neither kept nor repeated."""

    format: str = Field(
        description="Format recognised from the content: JPEG, PNG, WEBP, BMP or TIFF.",
        examples=["JPEG"],
    )
    width: int = Field(ge=1, description="Width in pixels, upright.", examples=[1858])
    height: int = Field(ge=1, description="Height in pixels, upright.", examples=[1317])
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 digest of the file as it was received.",
        examples=[_SHA256],
    )


class Screened(Answer):
    """The verdict on one radiograph. Decision support; not a diagnosis."""

    predicted_class: str = Field(
        description="The positive label when `probability` exceeds `threshold`, else the negative.",
        examples=["PNEUMONIA"],
    )
    probability: Probability = Field(
        description="Calibrated probability of pneumonia, whichever class is named, rounded to "
        "4 decimals.",
        examples=[0.6359],
    )
    threshold: Probability = Field(
        description="Operating point of the decision; /model says by which rule it was chosen.",
        examples=[0.5],
    )
    members: list[MemberProbability] = Field(
        description="What each network says by itself.",
        examples=[
            [{"name": "tuned", "probability": 0.6012}, {"name": "second", "probability": 0.6706}]
        ],
    )
    model: ModelIdentity = Field(
        description="Which model gave the answer.",
        examples=[{"name": "paediatric-pneumonia", "version": "1.0.0", "digest": _DIGEST}],
    )
    image: ImageIdentity = Field(
        description="Which image the answer is about.",
        examples=[{"format": "JPEG", "width": 1858, "height": 1317, "sha256": _SHA256}],
    )
    request_id: RequestId
    summary: str = Field(
        description="The verdict in one sentence for people, in the language that Accept-Language "
        "asks for: English or Spanish.",
        examples=[
            "Signs of pneumonia: probability 0.6359, above the threshold 0.5000. "
            "Decision support, not a diagnosis."
        ],
    )

    @classmethod
    def from_verdict(cls, verdict: Verdict, request_id: str, language: Language = "en") -> Self:
        """Put a verdict into the form in which it is sent."""
        return cls.model_validate(_told(verdict, request_id, language))


def screened_json(verdict: Verdict, request_id: str, language: Language = "en") -> bytes:
    """What ``Screened.from_verdict`` says, in JSON.

    To validate what the service itself has put together would take the event loop longer than to
    write it: its code is cold after each inference.
    """
    return to_json(_told(verdict, request_id, language))


def _told(verdict: Verdict, request_id: str, language: Language) -> dict[str, Any]:
    return {
        "predicted_class": verdict.predicted_class,
        "probability": verdict.probability,
        "threshold": verdict.threshold,
        "members": verdict.members,
        "model": verdict.model,
        "image": verdict.image,
        "request_id": request_id,
        "summary": summarise(verdict, language),
    }


class BatchVerdict(Answer):
    """A file of a batch that was screened."""

    index: int = Field(ge=0, description="Place of the file in the upload, from 0.", examples=[0])
    verdict: Screened = Field(description="What `/predict` answers for this file alone.")


class BatchError(Answer):
    """A file of a batch that could not be screened."""

    index: int = Field(ge=0, description="Place of the file in the upload, from 0.", examples=[1])
    error: Problem = Field(description="The problem that `/predict` answers for this file alone.")


class Batch(Answer):
    """The answers to a batch, one for each file, in the order in which they were sent."""

    results: list[BatchVerdict | BatchError] = Field(
        description="Each holds either `verdict` or `error`."
    )
    request_id: RequestId


class Alive(Answer):
    """The process runs and its event loop turns."""

    status: Literal["alive"] = Field("alive", description="Always the same.", examples=["alive"])


class Ready(Answer):
    """The model is loaded, checked and warm."""

    status: Literal["ready"] = Field("ready", description="Always the same.", examples=["ready"])


class Health(Answer):
    """The state of a service that is ready."""

    status: Literal["ready"] = Field("ready", description="Always the same.", examples=["ready"])
    version: str = Field(description="Version of the service.", examples=["0.1.0"])
    model: ModelIdentity = Field(
        description="Which model answers.",
        examples=[{"name": "paediatric-pneumonia", "version": "1.0.0", "digest": _DIGEST}],
    )
    threads: int = Field(ge=1, description="Radiographs that are read at once.", examples=[2])
    running: int = Field(ge=0, description="Radiographs being read now.", examples=[1])
    waiting: int = Field(ge=0, description="Radiographs waiting in the queue now.", examples=[0])
    places: int = Field(ge=0, description="Most radiographs that may wait.", examples=[16])


class ModelMember(Answer):
    """One network of the model."""

    name: str = Field(description="Name of the network.", examples=["tuned"])
    file: str = Field(
        description="Its file in the bundle.", examples=["modelo_afinado_tuning.keras"]
    )
    sha256: str = Field(description="SHA-256 digest of that file.", examples=[_SHA256])
    architecture: str = Field(
        description="What kind of network it is; empty if not told.",
        examples=["depthwise-separable CNN, 0.4 M parameters"],
    )
    view: str = Field(
        description="What it sees: `frame`, the whole radiograph; `lung_field`, the box of the lungs; "
        "`lungs_only`, that box with all but the lungs hidden.",
        examples=["lung_field"],
    )
    metrics: dict[str, JsonValue] = Field(
        description="Figures measured for it alone.", examples=[{"auc": 0.97}]
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
        description="What it was fitted on; empty if not told.",
        examples=["out-of-fold predictions"],
    )


class ModelThreshold(Answer):
    """The operating point."""

    value: Probability = Field(description="Probabilities above it are positive.", examples=[0.5])
    rule: str = Field(
        description="How it was chosen.", examples=["highest with a sensitivity of at least 0.95"]
    )


class ModelLabels(Answer):
    """What the two classes are called."""

    negative: str = Field(description="At or below the threshold.", examples=["NORMAL"])
    positive: str = Field(description="Above the threshold.", examples=["PNEUMONIA"])


class ModelTrainingData(Answer):
    """What the networks were trained on."""

    digest: str = Field(description="Identifies the data.", examples=[_DIGEST])
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
    input: ModelInput = Field(description="What the networks take as input.")
    combine: Literal["mean", "mean_logit"] = Field(
        description="How the networks' probabilities become one: their mean, or the sigmoid of "
        "their mean logit.",
        examples=["mean_logit"],
    )
    calibration: ModelCalibration = Field(description="How that probability is corrected.")
    threshold: ModelThreshold = Field(description="The operating point.")
    labels: ModelLabels = Field(description="What the two classes are called.")
    metrics: ModelMetrics | None = Field(description="What was measured; null if not told.")
    training_data: ModelTrainingData | None = Field(
        description="What the networks were trained on; null if not told."
    )

    @classmethod
    def from_ensemble(cls, ensemble: Ensemble) -> Self:
        """Describe a loaded ensemble."""
        manifest = ensemble.bundle.manifest
        told = manifest.model_dump(include=set(cls.model_fields), mode="json")
        return cls(
            **told,
            digest=ensemble.bundle.digest,
            provenance=ensemble.bundle.provenance,
            engine=ensemble.engine_name,
            precision=ensemble.precision,
            warning=ensemble.warning,
        )


def identity_of(bundle: Bundle) -> ModelIdentity:
    """Name a bundle in the way that verdicts do."""
    manifest = bundle.manifest
    return ModelIdentity(name=manifest.name, version=manifest.version, digest=bundle.digest)
