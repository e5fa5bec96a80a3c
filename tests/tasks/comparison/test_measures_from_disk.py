"""Measures that read more than signatures: the Dask steps are the plain functions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.similarity import cka_from_hsic, mean_interval, signature
from seelike.analysis.similarity.measures import PREDICTIVITY, PROCRUSTES, similarity
from seelike.storage.arrays import xarray_datasets
from seelike.storage.arrays.batches import batches
from seelike.storage.arrays.recordings import Recording
from seelike.storage.images import ImageSet, from_folder
from seelike.storage.store import Store, make_store
from seelike.tasks.comparison.compare import compare_measure
from seelike.tasks.comparison.confounder import pixel_signatures
from seelike.tasks.comparison.fits import Fits
from seelike.tasks.planning.plans import UNKNOWN, ModelPlan, StudyModel, TapPlan
from seelike.tasks.planning.settings import Statistics
from seelike.tasks.recording.activations import ActivationSink, create_recording
from seelike.tasks.recording.background_writer import BackgroundWriter
from seelike.tasks.recording.sign_recording import sign_recording
from seelike.tasks.step_results import SignaturesResult

COUNT, BATCH = 58, 20
FITS = {"procrustes": PROCRUSTES, "predictivity": PREDICTIVITY}
SHAPES = {"vit": {"a": (4, 3), "b": (5,)}, "resnet": {"c": (2, 3, 3), "d": (7,)}}


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    rng = np.random.default_rng(5)
    (tmp_path / "images").mkdir()
    for i in range(COUNT):
        pixels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i:02d}.png")
    return from_folder(tmp_path / "images")


def plan_of(model: str, images: ImageSet) -> ModelPlan:
    return ModelPlan(
        subject=StudyModel(ModelSpec(model, timm="resnet18"), ("*",), trained=True),
        identity={
            "model": model,
            "images": images.digest,
            "batch": BATCH,
            "reduction": "flatten",
        },
        taps=tuple(TapPlan(tap, shape, 0.5) for tap, shape in SHAPES[model].items()),
        bounds=tuple(batches(COUNT, BATCH)),
        batch=BATCH,
        reduction="flatten",
        facts={},
        reads_activations=True,
    )


def activations(model: str) -> dict[str, np.ndarray]:
    shared = np.random.default_rng(1).normal(size=(COUNT, 4))
    rng = np.random.default_rng(len(model))
    made = {}
    for tap, shape in SHAPES[model].items():
        features = int(np.prod(shape))
        x = shared @ rng.normal(size=(4, features)) + 0.5 * rng.normal(size=(COUNT, features))
        made[tap] = x.reshape(COUNT, *shape).astype(np.float32)
    return made


def recorded(store: Store, plan: ModelPlan) -> Recording:
    kept = create_recording(plan, store=store)
    for number, (start, stop) in enumerate(plan.bounds):
        kept.write(number, {tap: x[start:stop] for tap, x in activations(plan.name).items()})
    return kept


@pytest.mark.parametrize("name", ["procrustes", "predictivity"])
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_fits_of_every_pair_are_the_plain_measure_of_each_batch(
    tmp_path: Path, images: ImageSet, name: str, rows: int
) -> None:
    store = make_store(str(tmp_path / "store"))
    plans = [plan_of(model, images) for model in SHAPES]
    kept = [recorded(store, plan) for plan in plans]
    present = np.array([0, 2, 3])
    fits = Fits(FITS[name], plans, kept, rows_per_step=rows)
    found = fits.fit_all(present=present, permutations=2, seed=6)
    values, drawn = found.values, found.drawn
    every = [x for model in SHAPES for x in activations(model).values()]
    chosen = [every[i] for i in present]
    expected = np.zeros((2, 3, 3))
    for number, (start, stop) in enumerate(plans[0].bounds):
        for i, x in enumerate(chosen):
            for j, y in enumerate(chosen):
                plain = similarity(x[start:stop], y[start:stop], measure=name)
                assert values[number, i, j] == pytest.approx(plain, abs=1e-9)
                for r in range(2):
                    order = np.random.default_rng([6, r, number]).permutation(stop - start)
                    shuffled = similarity(x[start:stop], y[start:stop][order], measure=name)
                    expected[r, i, j] += shuffled / len(values)
    np.testing.assert_allclose(drawn, expected, atol=2e-6)


def test_deconfounded_is_cka_of_residuals_from_the_pixels(tmp_path: Path, images: ImageSet) -> None:
    store = make_store(str(tmp_path / "store"))
    signed = []
    for model in SHAPES:
        plan = plan_of(model, images)
        recorded(store, plan)
        signed.append(
            sign_recording.fn(plan, images, store=store.url, keep="activations", recorded=[])
        )
    found = compared(store, signed, images, name="cka_deconfounded")
    pixels = np.stack(
        [
            np.asarray(
                images.read(i).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR), float
            )
            for i in range(COUNT)
        ]
    )
    bounds = batches(COUNT, BATCH)

    def joined(x: np.ndarray) -> np.ndarray:
        return np.concatenate([signature(x[i:j].astype(float)) for i, j in bounds])

    confounder = joined(pixels)
    residuals = [
        v - (v @ confounder) / (confounder @ confounder) * confounder
        for v in (joined(x) for model in SHAPES for x in activations(model).values())
    ]
    unit = np.stack([r / np.linalg.norm(r) for r in residuals])
    np.testing.assert_allclose(found, unit @ unit.T, atol=2e-6)
    plain = compared(store, signed, images, name="cka")
    assert np.abs(found - plain).max() > 1e-4
    # Signed once: nothing is missing the second time.
    assert pixel_signatures(signed[0].plan, images, store=store).missing() == []


def compared(
    store: Store, signed: list[SignaturesResult], images: ImageSet, *, name: str
) -> np.ndarray:
    digest = compare_measure.fn(
        signed, images, name=name, store=store.url, statistics=Statistics(permutations=0)
    )
    return np.asarray(xarray_datasets.read(store, digest, kind="measures")["value"].values)


def test_the_mean_over_batches_has_the_interval_of_students_t() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, (12, 3, 2))
    interval = mean_interval(values)
    assert interval is not None
    # The delete-one jackknife of a mean is its standard error.
    reach = stats.t.ppf(0.975, 11) * values.std(axis=0, ddof=1) / np.sqrt(12)
    np.testing.assert_allclose(interval[0], values.mean(axis=0) - reach, atol=1e-12)
    np.testing.assert_allclose(interval[1], values.mean(axis=0) + reach, atol=1e-12)
    assert mean_interval(values[:1]) is None


def test_ratio_of_sums_is_not_the_mean_of_ratios() -> None:
    parts = np.array([[[4.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 4.0]]])
    assert cka_from_hsic(parts)[0, 1] == pytest.approx(2 / 5)


def test_a_write_that_fails_behind_is_raised_and_order_is_kept() -> None:
    written: list[tuple[int, str]] = []

    def write(batch: int, values: str) -> None:
        if batch == 2:
            raise OSError(28, "No space left on device")
        written.append((batch, values))

    with pytest.raises(OSError, match="No space"), BackgroundWriter(write) as writer:
        for batch in range(5):
            writer.submit(batch, "abcde"[batch])
    assert written == [(0, "a"), (1, "b")]
    written.clear()
    with BackgroundWriter(write) as writer:
        writer.submit(0, "a")
        writer.submit(1, "b")
    assert written == [(0, "a"), (1, "b")]
    with pytest.raises(AnalysisError, match="from inside"), BackgroundWriter(write) as writer:
        writer.submit(0, "a")
        raise AnalysisError("from inside")


def test_a_tap_that_cannot_be_written_leaves_its_batch_and_those_after_it_unmarked(
    tmp_path: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of("vit", images)
    kept = create_recording(plan, store=make_store(str(tmp_path / "store")))
    sink = ActivationSink(kept)
    taps = [
        Tap(tap, tap, "output", 0, 1, shape, 0.5, UNKNOWN) for tap, shape in SHAPES["vit"].items()
    ]
    write = Recording.write_tap

    def full(self: Recording, batch: int, tap: str, values: np.ndarray) -> int:
        if (batch, tap) == (1, "a"):
            raise OSError(28, "No space left on device")
        return write(self, batch, tap, values)

    monkeypatch.setattr(Recording, "write_tap", full)

    def record() -> None:
        with sink:
            for batch, (start, stop) in enumerate(kept.bounds):
                sink.begin(batch)
                for tap in taps:
                    live = torch.from_numpy(activations("vit")[tap.name][start:stop])
                    sink.take(tap, live)
                    live.zero_()  # As the next operation in its place would.
                sink.finish()

    with pytest.raises(OSError, match="No space"):
        record()
    assert kept.missing() == [1, 2]
    np.testing.assert_array_equal(kept.read(0, "b"), activations("vit")["b"][:BATCH])
    monkeypatch.undo()
    record()
    assert kept.missing() == []
    for tap, x in activations("vit").items():
        np.testing.assert_array_equal(kept.read_images(0, COUNT, tap), x)
