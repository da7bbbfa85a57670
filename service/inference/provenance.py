"""The entries of a manifest on where a bundle comes from: its training, and what was measured."""

from typing import Self

from pydantic import Field, JsonValue, model_validator

from service.inference.entries import Part, sentence


class Ages(Part):
    """Ages in whole years; both ends are included."""

    youngest: int = Field(ge=0)
    oldest: int = Field(ge=0)

    def __contains__(self, age: int) -> bool:
        return self.youngest <= age <= self.oldest

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.youngest > self.oldest:
            raise sentence("ends before it begins")
        return self


class TrainingData(Part):
    """The images the members were trained on."""

    digest: str
    description: str
    images: int = Field(ge=0)
    patients: int = Field(ge=0)
    ages: Ages | None = Field(
        default=None,
        description="Ages of most patients; a reader is warned of a film of another age. Null if "
        "they are not known.",
    )


class Metrics(Part):
    """Figures of the whole ensemble and the protocol that gave them."""

    protocol: str
    figures: dict[str, JsonValue]
