"""Fitted networks to a bundle that the service verifies: Keras files and a manifest.

The bundle is not calibrated yet, and its threshold is a half: both are chosen afterwards, on what
the bundles of the folds answer through the service's own pipeline.
"""

import copy
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from service.imaging import InputSpec
from service.inference.bundle import file_sha256, open_bundle
from service.inference.engines import load_engine, load_segmenter
from service.inference.golden import make_golden, make_lungs_golden
from service.inference.manifest import (
    MANIFEST_FILE,
    SCHEMA_FILE,
    Ages,
    LungsEntry,
    Manifest,
    MemberEntry,
    Threshold,
    TrainingData,
    write_schema,
)
from training.data import DataError, Scan, assign_folds
from training.fit.lungs import load_lungs
from training.fit.member import load_member
from training.fit.recipe import LungsRecipe, MemberRecipe
from training.fit.runs import Row, RunFolder
from training.models.lite0 import Lite0
from training.models.port import port_lungs, port_member
from training.models.unet import LungsNet

MEMBER_FILES: Final = ("modelo_afinado_tuning.keras", "modelo_2_ensamble.keras")
LUNGS_FILE: Final = "lungs.keras"
NAME: Final = "pneumonia-xray"

_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Parts:
    """The runs that a bundle is made from.

    Attributes:
        lungs: Of the segmentation network; or the folder of a bundle whose own is kept.
        members: Of the two members. Runs of one recipe make one member; the first recipe's is the
            first.
    """

    lungs: RunFolder
    members: Sequence[RunFolder]


@dataclass(frozen=True, slots=True)
class _Member:
    """A member to be: its recipe, with the seed of the first run, and its runs."""

    recipe: MemberRecipe
    runs: list[RunFolder]


def assemble(
    parts: Parts,
    target: Path,
    version: str,
    *,
    data: Scan | None = None,
    shapes: tuple[LungsNet, Lite0] | None = None,
) -> Manifest:
    """Write a bundle into a folder, file by file, only after it verifies.

    Args:
        parts: What it is made from.
        target: The folder. Graphs that it held are removed, because they are of other networks.
        version: Of the bundle.
        data: The training set, for the manifest.
        shapes: Networks of other shapes than usual, to load the weights into.

    Returns:
        The manifest.

    Raises:
        DataError: A run is not complete, or the members do not make a pair.
        BundleError: What was made does not verify.
    """
    members = _pair(parts.members)
    side, margin = members[0].recipe.side, members[0].recipe.views.margin
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        staging = Path(scratch)
        empty = shapes or (None, None)
        lungs = _lungs(parts.lungs, staging / LUNGS_FILE, margin, empty[0])
        for member, file in zip(members, MEMBER_FILES, strict=True):
            fits = [load_member(run.network, copy.deepcopy(empty[1])) for run in member.runs]
            port_member(fits, side).save(staging / file)
            _pack(staging / file)
        manifest = Manifest(
            name=NAME,
            version=version,
            input=InputSpec(side, side),
            members=tuple(
                _entry(staging / file, member)
                for member, file in zip(members, MEMBER_FILES, strict=True)
            ),
            combine="mean_logit",
            threshold=Threshold(value=0.5, rule="a half: not chosen yet"),
            lungs=lungs,
            training_data=None if data is None else _training_data(data, parts.members),
        )
        manifest = _with_golden(manifest, staging)
        write_schema(staging / SCHEMA_FILE)
        for stale in target.glob("*.onnx"):
            stale.unlink()
        # The manifest goes last: until it lands, the old one refuses the new networks.
        for file in (LUNGS_FILE, *MEMBER_FILES, SCHEMA_FILE, MANIFEST_FILE):
            (staging / file).replace(target / file)
    open_bundle(target)
    return manifest


def _facts(run: RunFolder) -> dict[str, Any]:
    if not run.network.exists():
        raise DataError(f"{run.path} holds no fitted network.")
    return run.facts()


def _pair(runs: Sequence[RunFolder]) -> list[_Member]:
    """Sort runs by their recipes, which must make two members of as many fits each."""
    found: dict[str, _Member] = {}
    for run in runs:
        recipe = MemberRecipe.model_validate(_facts(run)["recipe"])
        member = found.setdefault(recipe.name, _Member(recipe, []))
        if recipe.model_copy(update={"seed": member.recipe.seed}) != member.recipe:
            raise DataError(f"{run.path} is of another recipe than {member.runs[0].path}.")
        if run in member.runs:
            raise DataError(f"{run.path} is named twice.")
        member.runs.append(run)
    members = list(found.values())
    if len(members) != len(MEMBER_FILES):
        raise DataError(
            f"A bundle is made of {len(MEMBER_FILES)} members, each of its own recipe. These runs "
            f"are of {len(members)}."
        )
    if len({len(member.runs) for member in members}) > 1:
        raise DataError("Both members must have as many runs.")
    if len({(member.recipe.side, member.recipe.views.margin) for member in members}) > 1:
        raise DataError("Both members must take views of one size.")
    return members


def _pack(file: Path) -> None:
    """Compress an archive, which Keras does not: rounded weights take less than a third."""
    packed = file.with_suffix(".packed")
    with zipfile.ZipFile(file) as loose, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as kept:
        for part in loose.infolist():
            kept.writestr(part, loose.read(part), zipfile.ZIP_DEFLATED, compresslevel=9)
    packed.replace(file)


def _entry(file: Path, member: _Member) -> MemberEntry:
    network = "EfficientNet-Lite0 with a second tap, evidence averaged over the lungs"
    count = len(member.runs)
    return MemberEntry(
        name=member.recipe.name,
        file=file.name,
        sha256=file_sha256(file),
        architecture=network if count == 1 else f"{network} and over {count} fits",
        view=member.recipe.view,
        mask=True,
        metrics={**_mean([_figures(run) for run in member.runs])},
    )


def _mean(rows: Sequence[Row]) -> Row:
    """Mean of each figure over the fits by themselves."""
    return {name: fmean(row[name] for row in rows) for name in rows[0]}


def _lungs(run: RunFolder, file: Path, margin: float, empty: LungsNet | None) -> LungsEntry:
    """Write the segmentation network of a run, or that of a bundle as it is."""
    if (run.path / MANIFEST_FILE).exists():
        bundle = open_bundle(run.path)
        kept = bundle.manifest.lungs
        if kept is None or kept.margin != margin:
            raise DataError(f"{run.path} finds no lungs, or cuts them out with another margin.")
        file.write_bytes(bundle.contents[kept.file])
        return kept.model_copy(update={"file": file.name, "compiled": None})
    recipe = LungsRecipe.model_validate(_facts(run)["recipe"])
    network = load_lungs(run.network, empty)
    port_lungs(network, recipe.side).save(file)
    return LungsEntry(
        file=file.name,
        sha256=file_sha256(file),
        architecture=f"U-Net, widths {list(network.shape.widths)}",
        side=recipe.side,
        margin=margin,
        metrics={**_figures(run)},
    )


def _figures(run: RunFolder) -> Row:
    """Of the last epoch, without what is of no use later."""
    log = run.read_log()
    unwanted = {"epoch", "seconds", "loss"}
    return {name: value for name, value in log[-1].items() if name not in unwanted} if log else {}


def _with_golden(manifest: Manifest, staging: Path) -> Manifest:
    """Enter what the networks answer to the synthetic radiographs."""
    manifest.write(staging / MANIFEST_FILE)
    bundle = open_bundle(staging)
    engine = load_engine(bundle, threads=_THREADS, choice="tensorflow").engine
    segmenter = load_segmenter(bundle, threads=_THREADS, choice="tensorflow")
    lungs = manifest.lungs
    if lungs is not None and segmenter is not None:
        golden = make_lungs_golden(segmenter.segmenter, lungs.side)
        lungs = lungs.model_copy(update={"golden": golden})
    golden = make_golden(engine, manifest.input, views=len(manifest.views))
    complete = manifest.model_copy(update={"golden": golden, "lungs": lungs})
    complete.write(staging / MANIFEST_FILE)
    return complete


def _training_data(data: Scan, members: Sequence[RunFolder]) -> TrainingData:
    # What no member trained on is left out of the count.
    assigned = assign_folds(data.records)
    held_out = set.intersection(*({_facts(run).get("fold")} for run in members))
    records = [record for record in data.records if assigned[record.patient] not in held_out]
    return TrainingData(
        digest=data.digest,
        # The page and the report show it beside the verdict; credits are the model card's.
        description="children of 1 to 5 years in one hospital (Kermany et al. 2018) and, with "
        "fewer films, adults in another (NIH ChestX-ray14)",
        images=len(records),
        patients=len({record.patient for record in records}),
        ages=Ages(youngest=1, oldest=5),
    )
