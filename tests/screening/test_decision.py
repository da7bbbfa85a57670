import pytest

from service.inference import EnsembleScore, MemberScore
from service.screening.decision import decide
from service.screening.verdict import ImageFacts, ModelRef
from tests.fake_engine import fake_bundle

IMAGE = ImageFacts(format="PNG", width=64, height=48, sha256="e" * 64)
MANIFEST = fake_bundle().manifest


def score(probability: float) -> EnsembleScore:
    return EnsembleScore(probability, (MemberScore("checksum", probability),))


@pytest.mark.parametrize(
    ("probability", "shown", "label"),
    [
        (0.0, 0.0, "NORMAL"),
        (0.5, 0.5, "NORMAL"),
        (0.50004, 0.5, "NORMAL"),
        (0.50006, 0.5001, "PNEUMONIA"),
        (1.0, 1.0, "PNEUMONIA"),
    ],
)
def test_the_class_follows_from_the_figures_as_they_are_shown(
    probability: float, shown: float, label: str
) -> None:
    verdict = decide(score(probability), MANIFEST, "sha256:d", IMAGE)
    assert (verdict.probability, verdict.predicted_class) == (shown, label)
    assert (verdict.probability > verdict.threshold) == (label == "PNEUMONIA")


def test_it_says_which_model_and_image_it_is_about() -> None:
    verdict = decide(score(0.25), MANIFEST, "sha256:d", IMAGE)
    assert verdict.model == ModelRef("fake", "1.2.3", "sha256:d")
    assert verdict.image == IMAGE


def test_the_probabilities_of_the_members_are_rounded() -> None:
    verdict = decide(score(0.123456), MANIFEST, "sha256:d", IMAGE)
    assert verdict.members == (MemberScore("checksum", 0.1235),)
