"""Exact CKA of recordings: that of their activations, read within the memory, or one clear line."""

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import DegenerateTaps, cka
from seelike.analysis.similarity.exact.shuffles import Shuffles
from seelike.storage.arrays import recordings
from seelike.storage.arrays.batches import batches
from seelike.storage.arrays.recordings import Recording, open_recording
from seelike.storage.errors import StorageError
from seelike.storage.store import Store, make_store
from seelike.tasks.comparison.exact import exact_cka, layout_of, on_threads, read_block

COUNT = 45
SHAPES = {
    "vit": {"blocks.0": (5, 6), "norm:input": (9,)},
    "resnet": {"layer1": (4, 3, 3), "fc": (1,)},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(str(tmp_path / "store"))


def activations(model: str) -> dict[str, np.ndarray]:
    """Of all images at all taps, sharing three latent variables."""
    shared = np.random.default_rng(0).normal(size=(COUNT, 3))
    rng = np.random.default_rng(len(model))
    made = {}
    for tap, shape in SHAPES[model].items():
        features = int(np.prod(shape))
        values = shared @ rng.normal(size=(3, features)) + rng.normal(size=(COUNT, features))
        made[tap] = (20 + values).astype(np.float32).reshape(COUNT, *shape)
    return made


def recorded(
    store: Store,
    model: str,
    *,
    batch: int = 10,
    images: str = "some images",
    count: int = COUNT,
    values: dict[str, np.ndarray] | None = None,
) -> Recording:
    bounds = batches(count, batch)
    made = recordings.create(
        store,
        {"model": model, "images": images, "batch": batch, "count": count},
        shapes=SHAPES[model],
        bounds=bounds,
        batch=batch,
        attributes={"model": model},
    )
    whole = values or activations(model)
    for number, (start, stop) in enumerate(bounds):
        made.write(number, {tap: x[start:stop] for tap, x in whole.items()})
    return open_recording(store, made.name)


@pytest.mark.parametrize("estimator", ["debiased", "biased"])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("batch", [10, COUNT])
def test_recordings_give_what_their_activations_give(
    store: Store, batch: int, kernel: str, estimator: str
) -> None:
    kept = [recorded(store, model, batch=batch) for model in SHAPES]
    found = exact_cka(kept, estimator=estimator, kernel=kernel)
    taps = [x for model in SHAPES for x in activations(model).values()]
    expected = [[cka(x, y, estimator=estimator, kernel=kernel) for y in taps] for x in taps]
    np.testing.assert_allclose(found.value, expected, atol=2e-6)
    assert (found.interval is None) == (batch == COUNT)


def test_blocks_are_whole_batches_in_order(store: Store) -> None:
    kept = recorded(store, "resnet", batch=7)
    whole = activations("resnet")["layer1"].reshape(COUNT, -1)
    np.testing.assert_array_equal(read_block(kept, "layer1", range(1, 4)), whole[7:28])
    np.testing.assert_array_equal(read_block(kept, "layer1", range(2, 3)), whole[14:21])
    both = [recorded(store, "vit", batch=7), kept]
    of = layout_of([(one, tap) for one in both for tap in one.taps])
    assert of.features == (30, 9, 36, 1)
    assert of.images == COUNT


def test_the_width_is_a_multiple_of_the_median_distance(store: Store) -> None:
    kept = [recorded(store, "vit")]
    wide = exact_cka(kept, kernel="rbf", width=100.0).value
    linear = exact_cka(kept).value
    narrow = exact_cka(kept, kernel="rbf").value
    # exp(-d²) of small d is 1 - d², and that is the linear kernel once it is centred.
    np.testing.assert_allclose(wide, linear, atol=1e-2)
    assert abs(narrow - linear)[0, 1] > 3e-2


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_shuffles_are_of_whole_images_within_blocks(store: Store, kernel: str) -> None:
    kept = [recorded(store, model, batch=10) for model in SHAPES]
    plain = exact_cka(kept, kernel=kernel)
    found = exact_cka(kept, kernel=kernel, permutations=4, seed=3)
    # With shuffles linear sums come by Gram blocks, without by cross-products.
    np.testing.assert_allclose(found.value, plain.value, atol=1e-5)
    assert plain.drawn.shape == (0, *plain.value.shape)
    taps = [x.reshape(COUNT, -1) for model in SHAPES for x in activations(model).values()]
    of = layout_of([(one, tap) for one in kept for tap in one.taps])
    for number, drawn in enumerate(found.drawn):
        order = Shuffles(4, 3).order(of, number)
        expected = [[cka(x, y[order], kernel=kernel) for y in taps] for x in taps]
        np.testing.assert_allclose(drawn, expected, atol=5e-6)


def no_reading(*_: object) -> np.ndarray:
    raise AssertionError("a batch was read")


def test_too_little_memory_is_refused_before_anything_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [recorded(store, model) for model in SHAPES]
    monkeypatch.setattr(Recording, "read", no_reading)
    with pytest.raises(AnalysisError, match=r"needs at least 0\.40 GB of memory, 0\.10 GB are"):
        exact_cka(kept, memory=10**8)
    with pytest.raises(AnalysisError, match="nearest: 'debiased'"):
        exact_cka(kept, estimator="debiasd")


def test_other_images_or_batches_are_refused_with_both_models(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recorded(store, "vit")
    others = [recorded(store, "resnet", images="others"), recorded(store, "resnet", batch=12)]
    monkeypatch.setattr(Recording, "read", no_reading)
    with pytest.raises(AnalysisError, match=r"resnet .* image set others, vit with some images"):
        exact_cka([first, others[0]])
    with pytest.raises(AnalysisError, match=r"resnet .* batch size 12, vit with 10"):
        exact_cka([first, others[1]])


def test_an_incomplete_recording_is_refused_before_anything_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = recorded(store, "vit")
    kept.ledger.forget(2)
    monkeypatch.setattr(Recording, "read", no_reading)
    with pytest.raises(StorageError, match=r"batch 2 .* never completed"):
        exact_cka([kept])


def test_a_damaged_recording_is_an_error_that_names_it(store: Store) -> None:
    kept = recorded(store, "vit")
    chunk = Path(kept.where) / "blocks.0" / "c" / "1" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[7] ^= 64
    chunk.write_bytes(bytes(content))
    with pytest.raises(StorageError, match=r"'blocks.0' .* damaged in batch 1"):
        exact_cka([kept])


def test_constant_taps_are_counted_over_all_models(store: Store) -> None:
    broken = activations("resnet")
    broken["fc"][:] = 0.1
    kept = [recorded(store, "vit"), recorded(store, "resnet", values=broken)]
    with pytest.raises(DegenerateTaps) as error:
        exact_cka(kept)
    assert error.value.indices == [3]


def test_taps_that_are_left_out_change_nothing_else(store: Store) -> None:
    kept = [recorded(store, "vit"), recorded(store, "resnet")]
    whole = exact_cka(kept).value
    some = np.array([0, len(whole) - 1])
    value = exact_cka(kept, present=some).value
    np.testing.assert_allclose(value, whole[np.ix_(some, some)], atol=1e-7)


def test_steps_begin_in_order_on_so_many_threads_and_their_errors_come_out() -> None:
    begun: list[int] = []
    running, most = 0, 0
    lock, together = threading.Lock(), threading.Barrier(2, timeout=30)

    def step(number: int) -> int:
        nonlocal running, most
        with lock:
            begun.append(number)
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1
        return number * number

    steps = [lambda number=number: step(number) for number in range(20)]  # type: ignore[misc]
    assert on_threads(steps, workers=2) == [number**2 for number in range(20)]
    assert most == 2
    assert all(later > earlier - 2 for earlier, later in pairwise(begun))
    with pytest.raises(DegenerateTaps):
        on_threads([lambda: 1, fails], workers=2)


def fails() -> int:
    raise DegenerateTaps([3])
