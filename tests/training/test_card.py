"""A card tells of the graphs that its bundle holds, also after these were compiled anew."""

from pathlib import Path

from service.inference import Agreement, Compiled, Manifest, Quantised, open_bundle
from tests.tiny_bundle import write_tiny_bundle
from training.card import renew_graphs

CARD = """# Model card

Called PNEUMONIA above 0.5. The compiled graph differs from Keras by at most
3e-05 in any probability of 128 radiographs, and in
0 verdicts.

## Data

The compiled graph differs from Keras, says this passage, which is none of theirs.
"""


def compiled(directory: Path, *, int8: bool) -> Manifest:
    digest = "0" * 64
    quantised = Quantised(
        file="ensemble.int8.onnx",
        sha256=digest,
        agreement=Agreement(
            images=600, largest_difference=0.1, verdicts_changed=2, auc_loss=-0.00002
        ),
        golden=(),
    )
    graph = Compiled(
        file="ensemble.onnx",
        sha256=digest,
        sources={},
        agreement=Agreement(images=100, largest_difference=1e-6, verdicts_changed=0),
        int8=quantised if int8 else None,
    )
    manifest = open_bundle(write_tiny_bundle(directory)).manifest
    return manifest.model_copy(update={"compiled": graph})


def test_what_it_says_of_the_graphs_is_renewed_and_nothing_else(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text(CARD)
    renew_graphs(card, compiled(tmp_path, int8=True))
    before, _, after = CARD.partition("The compiled graph differs")
    told = card.read_text()
    assert told.startswith(before)
    assert told.endswith(after.partition("\n\n")[2])
    passage = " ".join(told.removeprefix(before).partition("\n\n")[0].split())
    assert "at most 1e-06 in any probability of 100 radiographs" in passage
    assert "changes 2 of 600 verdicts" in passage
    assert "loses 0.0000 of the AUC" in passage

    renew_graphs(card, compiled(tmp_path, int8=False))
    assert "8-bit" not in card.read_text()


def test_another_card_stays_as_it_is(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text("# Ours\n")
    manifest = compiled(tmp_path, int8=True)
    renew_graphs(card, manifest)
    assert card.read_text() == "# Ours\n"
    renew_graphs(tmp_path / "nowhere.md", manifest)
    assert not (tmp_path / "nowhere.md").exists()
