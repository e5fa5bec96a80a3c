"""A measure that is not defined at a layer leaves that layer out, and nothing else fails."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from seelike.analysis import figures as draw
from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.storage.arrays.batches import batches
from seelike.storage.images import ImageSet, from_folder
from seelike.storage.store import Store, make_store
from seelike.tasks.comparison.compare import compare_measure, join_measures
from seelike.tasks.comparison.fits import taps_to_leave_out
from seelike.tasks.planning.plans import ModelPlan, StudyModel, TapPlan
from seelike.tasks.planning.settings import Statistics
from seelike.tasks.recording.activations import create_recording
from seelike.tasks.recording.sign_recording import sign_recording
from seelike.tasks.reports.comparison.cell_csv import cell_csv
from seelike.tasks.reports.comparison.chance import chance
from seelike.tasks.reports.comparison.other_measures import by_measures

COUNT, BATCH = 48, 24
# Features of every tap; WIDE has more components than 24 images allow for SVCCA.
TAPS = {"vit": {"stem": 5, "wide": 60, "norm": 6}, "resnet": {"conv": 4, "fc": 7}}
MODELS = list(TAPS)
MEASURES = ("cka", "svcca", "pwcca", "rsa", "mutual_knn", "procrustes")


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    rng = np.random.default_rng(5)
    (tmp_path / "images").mkdir()
    for i in range(COUNT):
        pixels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i:02d}.png")
    return from_folder(tmp_path / "images")


def activations(model: str, taps: dict[str, int]) -> dict[str, np.ndarray]:
    shared = np.random.default_rng(1).normal(size=(COUNT, 4))
    made = {}
    for tap, features in taps.items():
        # A tap is the same whatever other taps there are.
        rng = np.random.default_rng([len(model), features])
        x = shared @ rng.normal(size=(4, features)) + 0.5 * rng.normal(size=(COUNT, features))
        made[tap] = x.astype(np.float32)
    if "fc" in made:
        # An image that is zero at all features has no cosine, and no correlation, with others.
        made["fc"][30] = 0.0
    return made


def compared(
    tmp_path: Path,
    images: ImageSet,
    *,
    measures: tuple[str, ...] = MEASURES,
    taps: dict[str, dict[str, int]] = TAPS,
) -> xr.Dataset:
    store = make_store(str(tmp_path / "store"))
    signed = [
        sign_recording.fn(
            recorded(store, model, taps[model], images, measures),
            images,
            store=store.url,
            keep="activations",
            recorded=[],
        )
        for model in taps
    ]
    statistics = Statistics(permutations=20, fit_permutations=10)
    names = {
        name: compare_measure.fn(signed, images, name=name, store=store.url, statistics=statistics)
        for name in measures
    }
    reference = join_measures.fn(
        signed,
        names=names,
        swept=None,
        store=store.url,
        study_name="made up",
        provenance={},
        statistics=statistics,
    )
    return reference.open().load()


def recorded(
    store: Store, model: str, taps: dict[str, int], images: ImageSet, measures: tuple[str, ...]
) -> ModelPlan:
    plan = ModelPlan(
        subject=StudyModel(ModelSpec(model, timm="resnet18"), ("*",), trained=True),
        identity={"model": model, "images": images.digest, "batch": BATCH, "reduction": "flatten"},
        taps=tuple(TapPlan(tap, (features,), 0.5) for tap, features in taps.items()),
        bounds=tuple(batches(COUNT, BATCH)),
        batch=BATCH,
        reduction="flatten",
        facts={},
        reads_activations=True,
        measures=tuple(m for m in measures if m in ("cka", "rsa", "mutual_knn")),
    )
    kept = create_recording(plan, store=store)
    for number, (start, stop) in enumerate(plan.bounds):
        batch = {tap: x[start:stop] for tap, x in activations(model, taps).items()}
        kept.write(number, batch)
    return plan


@pytest.fixture
def dataset(tmp_path: Path, images: ImageSet) -> xr.Dataset:
    return compared(tmp_path, images)


def test_the_cells_of_that_tap_are_left_out_of_that_measure_alone(dataset: xr.Dataset) -> None:
    undefined = dataset.attrs["undefined"]
    assert {name: list(taps) for name, taps in undefined.items()} == {
        "svcca": ["vit: wide"],
        "pwcca": ["vit: wide"],
        "rsa": ["resnet: fc"],
        "mutual_knn": ["resnet: fc"],
    }
    for name in ("svcca", "pwcca"):
        why = undefined[name]["vit: wide"]
        assert why.startswith("batch 0: ")
        assert "more images" in why
    assert undefined["rsa"]["resnet: fc"].startswith("batch 1: images have no ranks")
    parts = ("", "_low", "_high", "_p", "_q", "_critical", "_calibrated")
    for name in MEASURES:
        gone = [tap in undefined.get(name, ()) for tap in names(dataset)]
        expected = np.logical_or.outer(gone, gone)
        for part in parts:
            found = dataset[name + part].values
            np.testing.assert_array_equal(np.isnan(found), expected, err_msg=name + part)
        for part in ("_best_p", "_best_q"):
            rows = np.isnan(dataset[name + part].values)
            np.testing.assert_array_equal(rows, np.repeat(np.array(gone)[:, None], 2, axis=1))
        assert np.isfinite(dataset[f"{name}_block_p_corrected"]).all()


def test_the_other_cells_are_those_of_a_comparison_without_the_tap(
    tmp_path: Path, images: ImageSet, dataset: xr.Dataset
) -> None:
    taps = {"vit": {"stem": 5, "norm": 6}, "resnet": TAPS["resnet"]}
    without = compared(tmp_path / "without", images, measures=("cka", "svcca"), taps=taps)
    chosen = [place for place, tap in enumerate(names(dataset)) if tap != "vit: wide"]
    few = dataset.isel(tap_a=chosen, tap_b=chosen)
    for part in ("", "_low", "_high", "_p", "_q", "_critical", "_best_q", "_block_p_corrected"):
        np.testing.assert_allclose(few[f"svcca{part}"], without[f"svcca{part}"], atol=1e-6)


def names(dataset: xr.Dataset) -> list[str]:
    each = zip(dataset["model_a"].values, dataset["tap_a"].values, strict=True)
    return [f"{model}: {tap}" for model, tap in each]


def test_the_report_counts_defined_cells_and_says_what_is_left_out(dataset: xr.Dataset) -> None:
    others = [name for name in MEASURES if name != "cka"]
    section = by_measures(dataset, MODELS, others)
    by_measure = dict(zip(others, section.paragraphs, strict=True))
    assert "is not defined at 1 layer: 9 of 25 cells are left out" in by_measure["svcca"]
    assert "vit: wide: batch 0: " in by_measure["svcca"]
    assert "more images" in by_measure["svcca"]
    assert "not defined" not in by_measure["procrustes"]
    table = chance(dataset, MODELS, list(MEASURES)).tables[2]
    rows = {str(row[0]): row for row in table.rows}
    svcca, whole = (rows[dataset.attrs["measures"][n]["title"]] for n in ("svcca", "procrustes"))
    assert str(svcca[2]).endswith(" of 8")
    assert str(whole[2]).endswith(" of 12")
    assert str(svcca[5]).endswith(" of 4")
    assert str(whole[5]).endswith(" of 8")
    assert all(not isinstance(cell, float) or np.isfinite(cell) for cell in svcca)


def test_figures_draw_what_is_defined(dataset: xr.Dataset) -> None:
    figure = draw.grid(dataset, MODELS, measure="svcca")
    assert any("grey: not defined" in axes.get_ylabel() for axes in figure.axes)
    assert "grey" not in "".join(a.get_ylabel() for a in draw.grid(dataset, MODELS).axes)
    assert draw.explorer(dataset, MODELS, MODELS, measure="svcca")
    assert draw.differences(dataset, "svcca", "cka", models=MODELS).pairs == 6
    matched = draw.best_match(dataset, "vit", "resnet", measure="svcca").axes[0]
    assert [label.get_text() for label in matched.get_yticklabels()] == ["conv", "fc"]
    rows = cell_csv("cka", dataset, MODELS).text.splitlines()
    assert sum("nan" in row for row in rows) == 9 + 9 - 2


def test_a_measure_that_is_defined_nowhere_is_an_error_with_a_remedy(
    tmp_path: Path, images: ImageSet
) -> None:
    taps = {"vit": {"stem": 60}, "resnet": {"conv": 70}}
    with pytest.raises(
        AnalysisError, match=r"SVCCA.* not defined at any of 2 taps; vit: stem: .*more images"
    ):
        compared(tmp_path, images, measures=("cka", "svcca"), taps=taps)


def test_few_taps_are_left_out_where_pairs_cannot_be_fitted() -> None:
    clashes = {(0, 2): "a", (1, 2): "b", (2, 3): "c", (4, 5): "d"}
    assert taps_to_leave_out(clashes, without=set()) == {2: "a", 4: "d"}
    assert taps_to_leave_out(clashes, without={2, 5}) == {}
    assert taps_to_leave_out({(3, 3): "own"}, without=set()) == {3: "own"}
