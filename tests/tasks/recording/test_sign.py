"""The Dask graph that signs is NumPy, however it is cut, and goes on where it was cut off."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from dask.base import compute
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.similarity import signature, unit
from seelike.storage.arrays.batches import batches
from seelike.storage.arrays.ledger import Ledger
from seelike.storage.arrays.recordings import Recording, open_recording
from seelike.storage.arrays.signatures import Signatures
from seelike.storage.errors import StorageError
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, make_store
from seelike.tasks.planning.plans import ModelPlan, StudyModel, TapPlan
from seelike.tasks.recording.activations import create_recording
from seelike.tasks.recording.sign_recording import graph, sign_recording, tap_groups
from seelike.tasks.recording.signature_sink import create_signatures
from seelike.tasks.step_results import SignaturesResult

# A map, tokens, a vector, a single feature: what networks give.
SHAPES = {"layer1.0": (3, 5, 4), "blocks.0.norm2:input": (7, 6), "norm": (11,), "fc": (1,)}
ONE_TAP, ALL_TAPS = 1, 2**40


def plan_of(*, count: int, batch: int) -> ModelPlan:
    return ModelPlan(
        subject=StudyModel(ModelSpec("made up", timm="resnet18"), ("*",), trained=False),
        identity={"model": "made up", "count": count, "batch": batch},
        taps=tuple(TapPlan(tap, shape, 0.0) for tap, shape in SHAPES.items()),
        bounds=tuple(batches(count, batch)),
        batch=batch,
        reduction="flatten",
        facts={},
    )


def images_of(plan: ModelPlan) -> ImageSet:
    ids = tuple(f"image-{i}" for i in range(plan.images))
    return ImageSet("made up", ids, ids, labels=None, left_out=(), candidates=())


def activations(plan: ModelPlan, seed: int) -> dict[str, np.ndarray]:
    """Of all images at every tap: a shared part, noise, and a mean and scale of the tap's own."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(plan.images, 4))
    made = {}
    for tap, shape in SHAPES.items():
        features = int(np.prod(shape))
        values = shared @ rng.normal(size=(4, features)) + rng.normal(size=(plan.images, features))
        values = 10.0 ** rng.uniform(-3, 3) * (values + rng.uniform(-5, 5))
        made[tap] = values.reshape(plan.images, *shape).astype(np.float32)
    return made


def recorded(plan: ModelPlan, store: Store, values: dict[str, np.ndarray]) -> Recording:
    recording = create_recording(plan, store=store)
    for number, (start, stop) in enumerate(plan.bounds):
        recording.write(number, {tap: x[start:stop] for tap, x in values.items()})
    return recording


def sign(plan: ModelPlan, store: Store) -> SignaturesResult:
    return sign_recording.fn(
        plan, images_of(plan), store=store.url, keep="activations", recorded=[]
    )


def sign_in_groups(plan: ModelPlan, store: Store, *, group_bytes: int, workers: int) -> Signatures:
    """Sign with other groups of taps, on another number of threads, than the step takes."""
    sink = create_signatures(plan, store=store)
    recording = open_recording(store, plan.recording)
    steps = graph(plan, recording, sink, sink.missing(), group_bytes=group_bytes)
    compute(*steps, scheduler="threads", num_workers=workers)
    return sink.kept["cka"]


def signatures_of(plan: ModelPlan, store: Store) -> Signatures:
    return create_signatures(plan, store=store).kept["cka"]


def expected(plan: ModelPlan, values: dict[str, np.ndarray], batch: int) -> tuple[Any, Any]:
    """Directions (taps, pairs) and norms (taps,) of one batch, tap after tap in NumPy."""
    start, stop = plan.bounds[batch]
    with threadpool_limits(1):
        signed = [unit(signature(values[tap][start:stop])) for tap in SHAPES]
    return np.stack([d for d, _ in signed]), np.array([n for _, n in signed])


def check(plan: ModelPlan, kept: Signatures, values: dict[str, np.ndarray], batch: int) -> None:
    directions, norms = kept.read(batch)
    exact_directions, exact_norms = expected(plan, values, batch)
    pairs = exact_directions.shape[1]
    np.testing.assert_allclose(directions[:, :pairs], exact_directions, rtol=0, atol=1e-7)
    np.testing.assert_allclose(norms, exact_norms, rtol=1e-7)
    assert not directions[:, pairs:].any()


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(4, 40),
    batch=st.integers(4, 14),
    group_bytes=st.sampled_from([ONE_TAP, 1500, ALL_TAPS]),
    workers=st.sampled_from([1, 2]),
)
def test_the_graph_writes_what_numpy_computes(
    seed: int, count: int, batch: int, group_bytes: int, workers: int
) -> None:
    plan = plan_of(count=count, batch=batch)
    values = activations(plan, seed)
    with TemporaryDirectory() as folder:
        store = make_store(folder)
        recorded(plan, store, values)
        kept = sign_in_groups(plan, store, group_bytes=group_bytes, workers=workers)
        assert kept.ledger.missing() == []
        for number in range(len(plan.bounds)):
            check(plan, kept, values, number)


def test_every_cut_of_the_work_gives_the_same_bytes(tmp_path: Path) -> None:
    plan = plan_of(count=41, batch=12)  # Batches of 12, 12, 12 and a short one of 5.
    values = activations(plan, 0)
    found = []
    for number, (group_bytes, workers) in enumerate(
        [(ONE_TAP, 1), (ONE_TAP, 2), (1500, 2), (ALL_TAPS, 1), (ALL_TAPS, 2)]
    ):
        store = make_store(str(tmp_path / str(number)))
        recorded(plan, store, values)
        sign_in_groups(plan, store, group_bytes=group_bytes, workers=workers)
        found.append(content(store))
    assert len(found[0]) > len(plan.bounds)
    assert all(one == found[0] for one in found)


def content(store: Store) -> dict[str, bytes]:
    root = Path(store.url) / "signatures"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("group_bytes", "sizes"), [(ONE_TAP, [1, 1, 1, 1]), (4 * 12 * 60, [1, 3]), (ALL_TAPS, [4])]
)
def test_groups_hold_every_tap_once_in_order(group_bytes: int, sizes: list[int]) -> None:
    groups = tap_groups(plan_of(count=24, batch=12), group_bytes=group_bytes)
    assert [len(group) for group in groups] == sizes
    assert [tap for group in groups for tap in group] == list(SHAPES)


def test_only_missing_batches_are_read_and_signed(tmp_path: Path) -> None:
    plan = plan_of(count=30, batch=6)
    values = activations(plan, 1)
    store = make_store(str(tmp_path))
    recording = recorded(plan, store, values)
    kept = signatures_of(plan, store)
    own = np.full(15, 0.25, np.float32)
    for number in (0, 3):
        kept.write(number, dict.fromkeys(SHAPES, (own, 7.0)))
        # A look at these activations would be an error now.
        recording.ledger.forget(number)
    sign(plan, store)
    for number in range(5):
        if number in (0, 3):
            directions, norms = kept.read(number)
            assert (directions == 0.25).all()
            assert (norms == 7.0).all()
        else:
            check(plan, kept, values, number)
    before = content(store)
    for number in range(5):
        if number not in (0, 3):
            recording.ledger.forget(number)
    sign(plan, store)  # Nothing is missing: nothing is read.
    assert content(store) == before


class CutOff(Exception):
    pass


def before_the_data(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    write = Signatures.write
    monkeypatch.setattr(Signatures, "write", _cut_off(write, after))


def between_data_and_mark(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    monkeypatch.setattr(Ledger, "mark", _cut_off(Ledger.mark, after))


def _cut_off(function: Callable[..., None], after: int) -> Callable[..., None]:
    done = []

    def cut_off(*arguments: Any, **named: Any) -> None:
        if len(done) == after:
            raise CutOff
        function(*arguments, **named)
        done.append(None)

    return cut_off


@pytest.mark.parametrize("cut", [before_the_data, between_data_and_mark])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_run_that_is_cut_off_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cut: Callable[[pytest.MonkeyPatch, int], None],
    after: int,
) -> None:
    plan = plan_of(count=29, batch=6)
    values = activations(plan, 2)
    whole, broken = (make_store(str(tmp_path / name)) for name in ("whole", "broken"))
    for store in (whole, broken):
        recorded(plan, store, values)
    sign(plan, whole)
    with monkeypatch.context() as patch:
        cut(patch, after)
        with pytest.raises(CutOff):
            sign_in_groups(plan, broken, group_bytes=ALL_TAPS, workers=1)
    kept = signatures_of(plan, broken)
    assert len(kept.ledger.missing()) == len(plan.bounds) - after
    sign(plan, broken)
    assert content(broken) == content(whole)


def test_a_hole_in_the_recording_is_an_error_and_signs_nothing_there(tmp_path: Path) -> None:
    plan = plan_of(count=24, batch=6)
    store = make_store(str(tmp_path))
    recorded(plan, store, activations(plan, 3)).ledger.forget(2)
    with pytest.raises(StorageError, match=r"batch 2 of .* was never completed"):
        sign(plan, store)
    kept = signatures_of(plan, store)
    assert 2 in kept.ledger.missing()


def test_activations_that_are_not_finite_are_named_by_model_tap_and_image(tmp_path: Path) -> None:
    plan = plan_of(count=24, batch=6)
    values = activations(plan, 4)
    values["norm"][13, 5] = np.inf
    store = make_store(str(tmp_path))
    recorded(plan, store, values)
    with pytest.raises(AnalysisError, match=r"of norm in made up are not finite, .* image-13;"):
        sign(plan, store)
    kept = signatures_of(plan, store)
    assert 2 in kept.ledger.missing()
