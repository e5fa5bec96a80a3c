"""Comparing signatures is minibatch CKA written out in float64, at any scale, in any company."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.similarity import cka_from_hsic
from seelike.storage.arrays.batches import Bounds, batches
from seelike.storage.arrays.signatures import open_signatures
from seelike.storage.errors import StorageError
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, make_store
from seelike.tasks.comparison.compare import compare_measure, join_measures
from seelike.tasks.comparison.signature_products import products, shares
from seelike.tasks.planning.plans import ModelPlan, StudyModel, TapPlan
from seelike.tasks.planning.settings import Statistics
from seelike.tasks.recording.signature_sink import create_signatures
from seelike.tasks.recording.signatures import signatures_of
from seelike.tasks.step_results import SignaturesResult

Activations = dict[str, np.ndarray]

# The taps of three made-up models, and the scale of each.
SCALES: dict[str, dict[str, float]] = {
    "ViT": {"blocks.0": 1.0, "blocks.1": 1e-20, "norm": 1e20},
    "ResNet": {"conv1": 1e20, "layer1.0": 1e-3},
    "Mixer": {"stem": 1e-20, "blocks.0": 30.0},
}
# The last batch full, short, and joined to the one before; the smallest; a single batch.
CUTS = [(36, 12), (41, 12), (38, 12), (20, 4), (23, 30)]


def features(count: int, *, seed: int = 0) -> dict[str, Activations]:
    """Activations (count, 3, 10) of all models: one signal mixed anew at every tap, and noise."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(count, 6))
    # Early images are stronger: batches weigh differently, as they do not in a mean of CKAs.
    strength = np.where(np.arange(count) < count / 3, 3.0, 1.0)[:, None]
    made: dict[str, Activations] = {}
    for model, scales in SCALES.items():
        made[model] = {}
        for tap, scale in scales.items():
            mixed = np.tanh(signal @ rng.normal(size=(6, 30)) + rng.normal(size=30))
            values = scale * strength * (mixed + 0.7 * rng.normal(size=(count, 30)))
            made[model][tap] = values.reshape(count, 3, 10).astype(np.float32)
    return made


def signed(
    store: Store,
    model: str,
    activations: Activations,
    *,
    bounds: Sequence[Bounds],
    images: str = "made up",
) -> SignaturesResult:
    """Complete signatures of one made-up model in ``store``."""
    plan = ModelPlan(
        subject=StudyModel(ModelSpec(model, timm="resnet18"), ("*",), trained=True),
        identity={
            "images": images,
            "batch": bounds[0][1],
            "reduction": "flatten",
            "model": model,
            "taps": list(activations),
        },
        taps=tuple(TapPlan(tap, x.shape[1:], 0.5) for tap, x in activations.items()),
        bounds=tuple(bounds),
        batch=bounds[0][1],
        reduction="flatten",
        facts={},
    )
    kept = create_signatures(plan, store=store)
    for number, (start, stop) in enumerate(bounds):
        kept.write(
            number, {t: signatures_of(t, x[start:stop], ["cka"]) for t, x in activations.items()}
        )
    return SignaturesResult(plan, recorded=len(bounds))


def signed_all(
    store: Store, models: Mapping[str, Activations], *, bounds: Sequence[Bounds]
) -> list[SignaturesResult]:
    return [signed(store, model, x, bounds=bounds) for model, x in models.items()]


def compared(store: Store, models: Sequence[SignaturesResult], **options: Any) -> xr.Dataset:
    url, statistics = store.url, Statistics(permutations=0, **options)
    name = compare_measure.fn(models, NO_IMAGES, name="cka", store=url, statistics=statistics)
    reference = join_measures.fn(
        models,
        names={"cka": name},
        swept=None,
        store=url,
        study_name="made up",
        provenance={},
        statistics=statistics,
    )
    return reference.open().load()


NO_IMAGES = ImageSet("made up", (), (), labels=None, left_out=(), candidates=())


def hsic_1(k: np.ndarray, l: np.ndarray) -> float:  # noqa: E741
    """Song et al. (2012), eq. 5, of two Grams, as it stands."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    one = np.ones(n)
    return float(
        np.trace(k @ l)
        + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (one @ k @ l @ one)
    ) / (n * (n - 3))


def minibatch_cka(x: np.ndarray, y: np.ndarray, bounds: Sequence[Bounds]) -> float:
    """Nguyen, Raghu and Kornblith (2021), eq. 3: mean HSICs over the batches, then the ratio."""
    x, y = (a.reshape(len(a), -1).astype(np.float64) for a in (x, y))
    grams = [(x[i:j] @ x[i:j].T, y[i:j] @ y[i:j].T) for i, j in bounds]
    across, own_x, own_y = (
        np.mean([hsic_1(*pair) for pair in pairs])
        for pairs in (grams, [(k, k) for k, _ in grams], [(l, l) for _, l in grams])  # noqa: E741
    )
    return float(across / np.sqrt(own_x) / np.sqrt(own_y))


@pytest.mark.parametrize(("count", "batch"), CUTS)
def test_every_pair_is_minibatch_cka_in_float64(tmp_path: Path, count: int, batch: int) -> None:
    store, bounds = make_store(str(tmp_path)), batches(count, batch)
    models = features(count)
    references = signed_all(store, models, bounds=bounds)
    kept = [open_signatures(store, one.plan.signatures("cka")) for one in references]
    cosines, norms = products(kept)
    assert cosines.shape == (len(bounds), 7, 7)
    found = cka_from_hsic(shares(cosines, norms))
    every = [x for activations in models.values() for x in activations.values()]
    exact = np.array([[minibatch_cka(x, y, bounds) for y in every] for x in every])
    np.testing.assert_allclose(found, exact, rtol=0, atol=2e-6)
    # The values are ones that a wrong formula would not give: neither all alike nor all apart.
    off = exact[~np.eye(7, dtype=bool)]
    assert off.max() - off.min() > 0.1
    labelled = compared(store, references)
    np.testing.assert_allclose(labelled["cka"], exact, rtol=0, atol=2e-6)
    names = [f"{model} {tap}" for model, scales in SCALES.items() for tap in scales]
    for side in "ab":
        pairs = zip(labelled[f"model_{side}"].values, labelled[f"tap_{side}"].values, strict=True)
        assert [f"{model} {tap}" for model, tap in pairs] == names
    assert ("cka_low" in labelled) == (len(bounds) > 1)


def test_a_mean_of_ckas_is_another_number(tmp_path: Path) -> None:
    store, bounds = make_store(str(tmp_path)), batches(36, 12)
    models = features(36)
    found = compared(store, signed_all(store, models, bounds=bounds))["cka"].values[0, 3]
    x, y = models["ViT"]["blocks.0"], models["ResNet"]["conv1"]
    mean = np.mean([minibatch_cka(x[i:j], y[i:j], [(0, j - i)]) for i, j in bounds])
    assert abs(found - mean) > 1e-3


def test_one_models_rows_do_not_change_when_another_model_is_added(tmp_path: Path) -> None:
    store, bounds = make_store(str(tmp_path)), batches(41, 12)
    vit, resnet, mixer = signed_all(store, features(41), bounds=bounds)
    alone, pair, all_three = (
        compared(store, models) for models in ([vit], [vit, resnet], [vit, mixer, resnet])
    )
    for variable in ("cka", "cka_low", "cka_high", "cka_parts"):
        few, more = alone[variable].values, pair[variable].values
        np.testing.assert_allclose(more[..., :3, :3], few, rtol=0, atol=1e-6)
        most = all_three[variable].values
        places = [0, 1, 2, 5, 6]  # The Mixer's taps stand between.
        np.testing.assert_allclose(
            most[..., places, :][..., places], more, rtol=0, atol=1e-6, err_msg=variable
        )


def with_a_constant_tap(count: int) -> dict[str, Activations]:
    models = features(count)
    models["ResNet"]["layer1.1"] = np.full((count, 3, 10), 0.1, np.float32)
    return models


def test_a_degenerate_tap_is_an_error_that_names_it_and_leaves_nothing(tmp_path: Path) -> None:
    store, bounds = make_store(str(tmp_path)), batches(36, 12)
    models = signed_all(store, with_a_constant_tap(36), bounds=bounds)
    with pytest.raises(AnalysisError, match=r"is defined: ResNet: layer1\.1; .*--skip-degenerate"):
        compared(store, models)
    assert store.names("comparisons") == []


def test_a_degenerate_tap_that_is_skipped_is_listed_and_changes_nothing_else(
    tmp_path: Path,
) -> None:
    store, bounds = make_store(str(tmp_path)), batches(36, 12)
    found = compared(
        store, signed_all(store, with_a_constant_tap(36), bounds=bounds), skip_degenerate=True
    )
    assert found.attrs["left_out_taps"] == ["ResNet: layer1.1"]
    assert "layer1.1" not in found["tap_a"].values.tolist() + found["tap_b"].values.tolist()
    without = compared(store, signed_all(store, features(36), bounds=bounds))
    assert without.attrs["left_out_taps"] == []
    for variable in ("cka", "cka_low", "cka_high"):
        np.testing.assert_allclose(found[variable], without[variable], rtol=0, atol=1e-6)


def test_a_tap_that_is_constant_in_one_batch_alone_counts_by_the_others(tmp_path: Path) -> None:
    store, bounds = make_store(str(tmp_path)), batches(36, 12)
    models = features(36)
    models["Mixer"]["blocks.0"][12:24] = 5.0
    found = compared(store, signed_all(store, models, bounds=bounds))
    every = [x for activations in models.values() for x in activations.values()]
    exact = [minibatch_cka(x, every[-1], bounds) for x in every]
    np.testing.assert_allclose(found["cka"][:, -1], exact, rtol=0, atol=2e-6)
    assert found.attrs["left_out_taps"] == []
    assert all(np.isfinite(found[v]).all() for v in ("cka", "cka_low", "cka_high"))


def test_a_batch_that_was_never_signed_is_an_error_that_names_it(tmp_path: Path) -> None:
    store, bounds = make_store(str(tmp_path)), batches(36, 12)
    models = signed_all(store, features(36), bounds=bounds)
    name = models[1].plan.signatures("cka")
    open_signatures(store, name).ledger.forget(2)
    with pytest.raises(StorageError, match=rf"batch 2 of .*{name} was never completed"):
        compared(store, models)
    assert store.names("comparisons") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": "others"}, "image set others, ViT with made up"),
        ({}, "batch size 9, ViT with 12"),
    ],
)
def test_models_recorded_on_other_images_or_batches_are_refused(
    tmp_path: Path, change: dict[str, str], said: str
) -> None:
    store, models = make_store(str(tmp_path)), features(36)
    vit = signed(store, "ViT", models["ViT"], bounds=batches(36, 12))
    other = batches(36, 12 if change else 9)
    resnet = signed(store, "ResNet", models["ResNet"], bounds=other, **change)
    with pytest.raises(AnalysisError, match=f"ResNet was recorded with {said}"):
        compared(store, [vit, resnet])
    assert store.names("comparisons") == store.names("measures") == []
