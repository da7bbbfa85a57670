"""Fitted networks become a bundle that verifies and answers as they do."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from service.inference import Ages, load_ensemble
from service.inference.bundle import open_bundle
from tests.training.small import LUNGS, MEMBER, small_lite, small_unet
from training import commands
from training.data import DataError, Scan
from training.data.records import Record, parse_name
from training.export.assemble import LUNGS_FILE, MEMBER_FILES, Parts, assemble
from training.fit.recipe import LungsRecipe, MemberRecipe
from training.fit.runs import RunFolder
from training.models.shapes import STANDARD_FLOORS
from training.models.units import standardise

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]

SECOND = MEMBER.model_copy(update={"name": "second", "view": "lungs_only"})


def run(path: Path, recipe: MemberRecipe | LungsRecipe, network: torch.nn.Module) -> RunFolder:
    """A complete run without the fitting."""
    folder = RunFolder(path)
    folder.claim({"recipe": recipe.model_dump(mode="json"), "fold": 0})
    folder.write_log([{"epoch": 0.0, "loss": 0.5, "dice": 0.9, "adults_montgomery_auc": 0.8}])
    torch.save(network.state_dict(), folder.network)
    return folder


def parts(root: Path) -> Parts:
    return Parts(
        run(root / "lungs", LUNGS, small_unet()),
        [
            run(root / "first/fold-0", MEMBER, small_lite(0)),
            run(root / "second/fold-0", SECOND, small_lite(1)),
        ],
    )


def shapes() -> tuple[torch.nn.Module, torch.nn.Module]:
    return small_unet(8), small_lite(9)


def test_the_bundle_verifies_and_names_what_its_members_see(tmp_path: Path) -> None:
    target = tmp_path / "models"
    manifest = assemble(parts(tmp_path), target, "2.0.0", shapes=shapes())
    bundle = open_bundle(target)
    assert bundle.manifest == manifest
    assert manifest.views == ("lung_field", "lung_mask", "lungs_only", "lung_mask")
    assert manifest.lungs is not None
    assert (manifest.lungs.side, manifest.lungs.margin) == (64, 0.06)
    assert manifest.lungs.metrics == {"dice": 0.9, "adults_montgomery_auc": 0.8}
    assert len(manifest.golden) > 0
    assert len(manifest.lungs.golden) > 0
    assert {path.name for path in target.iterdir()} == {
        *MEMBER_FILES, LUNGS_FILE, "ensemble.json", "ensemble.schema.json",
    }  # fmt: skip


def test_the_engine_answers_as_the_fitted_networks(tmp_path: Path) -> None:
    target = tmp_path / "models"
    assemble(parts(tmp_path), target, "2.0.0", shapes=shapes())
    ensemble = load_ensemble(target, threads=1, engine="tensorflow")
    images = np.random.default_rng(0).uniform(size=(3, 64, 64, 4)).astype(np.float32)
    answers = ensemble.score(images)
    for place, network in enumerate((small_lite(0).eval(), small_lite(1).eval())):
        channels = images[..., 2 * place : 2 * place + 2]
        planes = torch.from_numpy(channels).permute(0, 3, 1, 2)
        with torch.no_grad():
            logits, _ = network(standardise(planes, STANDARD_FLOORS["member"]))
        served = [answer.members[place].probability for answer in answers]
        np.testing.assert_allclose(served, torch.sigmoid(logits).numpy(), atol=2e-3)


def test_the_maps_of_its_members_lie_in_the_lungs_and_add_up_to_their_logits(
    tmp_path: Path,
) -> None:
    target = tmp_path / "models"
    assemble(parts(tmp_path), target, "2.0.0", shapes=shapes())
    ensemble = load_ensemble(target, threads=1, engine="tensorflow")
    image = np.random.default_rng(0).uniform(size=(1, 64, 64, 4)).astype(np.float32)
    image[..., [1, 3]] = 0
    image[:, 16:48, 8:24, 1] = image[:, 16:48, 8:24, 3] = 1
    [explained] = ensemble.explain(image)
    for heat, member in zip(explained.maps, explained.score.members, strict=True):
        assert heat.shape == (8, 8)
        logit = np.log(member.probability / (1 - member.probability))
        assert heat.sum() == pytest.approx(logit, abs=1e-3)
        assert np.abs(heat[2:6, 1:3]).sum() > 0.99 * np.abs(heat).sum()


def test_the_manifest_says_what_it_was_trained_on(tmp_path: Path) -> None:
    names = [f"person{number}_virus_1.jpeg" for number in range(1, 9)]
    records = [
        Record(Path(name), f"PNEUMONIA/{name}", 1, *parse_name(name, 1), "0" * 64) for name in names
    ]
    data = Scan(tuple(records), (), ())
    manifest = assemble(parts(tmp_path), tmp_path / "models", "2", data=data, shapes=shapes())
    trained = manifest.training_data
    assert trained is not None
    # Both members left the first of four folds out.
    assert (trained.digest, trained.images, trained.patients) == (data.digest, 6, 6)
    assert trained.ages == Ages(youngest=1, oldest=5)


def test_the_lungs_of_another_bundle_can_be_kept(tmp_path: Path) -> None:
    made = parts(tmp_path)
    first = assemble(made, tmp_path / "models", "1", shapes=shapes())
    kept = Parts(RunFolder(tmp_path / "models"), made.members)
    second = assemble(kept, tmp_path / "again", "2", shapes=shapes())
    assert second.lungs == first.lungs
    one, other = (tmp_path / folder / LUNGS_FILE for folder in ("models", "again"))
    assert one.read_bytes() == other.read_bytes()


def test_graphs_of_other_networks_do_not_stay(tmp_path: Path) -> None:
    target = tmp_path / "models"
    target.mkdir()
    (target / "ensemble.onnx").write_bytes(b"of other networks")
    assemble(parts(tmp_path), target, "2.0.0", shapes=shapes())
    assert not (target / "ensemble.onnx").exists()


def test_several_runs_of_a_recipe_make_one_member(tmp_path: Path) -> None:
    made, target = parts(tmp_path), tmp_path / "models"
    further = [
        run(tmp_path / f"{recipe.name}/again", recipe.model_copy(update={"seed": 1}), small_lite(n))
        for n, recipe in enumerate((MEMBER, SECOND), start=2)
    ]
    runs = Parts(made.lungs, [*made.members, *further])
    manifest = assemble(runs, target, "2.0.0", shapes=shapes())
    assert [member.name for member in manifest.members] == ["small", "second"]
    assert all(member.architecture.endswith("over 2 fits") for member in manifest.members)
    ensemble = load_ensemble(target, threads=1, engine="tensorflow")
    images = np.random.default_rng(0).uniform(size=(3, 64, 64, 4)).astype(np.float32)
    answers = ensemble.score(images)
    for place, seeds in enumerate(((0, 2), (1, 3))):
        planes = torch.from_numpy(images[..., 2 * place : 2 * place + 2]).permute(0, 3, 1, 2)
        with torch.no_grad():
            seen = standardise(planes, STANDARD_FLOORS["member"])
            logits = torch.stack([small_lite(seed).eval()(seen)[0] for seed in seeds]).mean(0)
        served = [answer.members[place].probability for answer in answers]
        np.testing.assert_allclose(served, torch.sigmoid(logits).numpy(), atol=2e-3)


def test_runs_that_make_no_member_together_are_refused(tmp_path: Path) -> None:
    made, target = parts(tmp_path), tmp_path / "models"
    longer = MEMBER.model_copy(update={"smoothing": 0.1})
    odd = run(tmp_path / "longer", longer, small_lite(2))
    again = run(tmp_path / "again", MEMBER.model_copy(update={"seed": 1}), small_lite(3))
    for further, reason in ((odd, "another recipe"), (made.members[0], "twice"),
                            (again, "as many runs")):  # fmt: skip
        with pytest.raises(DataError, match=reason):
            assemble(Parts(made.lungs, [*made.members, further]), target, "2", shapes=shapes())
    assert not target.exists()


def test_what_is_no_pair_or_not_fitted_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    made = parts(tmp_path)
    target = tmp_path / "models"
    with pytest.raises(DataError, match="2 members"):
        assemble(Parts(made.lungs, made.members[:1]), target, "2", shapes=shapes())
    made.members[1].network.unlink()
    with pytest.raises(DataError, match="no fitted network"):
        assemble(made, target, "2", shapes=shapes())
    assert not target.exists()


def test_folds_without_both_members_get_no_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts(tmp_path)
    shutil.copytree(tmp_path / "first/fold-0", tmp_path / "first/fold-3")
    written: list[tuple[str, str]] = []

    def note(parts: Parts, target: Path, version: str) -> None:
        assert [member.path.name for member in parts.members] == [version] * 2
        written.append((target.name, version))

    monkeypatch.setattr(commands, "assemble", note)
    members = [tmp_path / "first", tmp_path / "second"]
    assert commands.fold_bundles(tmp_path / "lungs", members, tmp_path / "folds") == [0]
    assert written == [("0", "fold-0")]
    with pytest.raises(DataError, match="no fold"):
        commands.fold_bundles(tmp_path / "lungs", [tmp_path / "none"] * 2, tmp_path / "folds")
