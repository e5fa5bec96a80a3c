"""All pairs in blocks: the comparison's numbers, whatever the blocks; a new model, a kill."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from distributed import LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.similarity import cell_interval, cka_from_hsic
from seelike.analysis.similarity.blockwise import block_cka
from seelike.storage import maintenance
from seelike.storage.arrays import tap_pairs
from seelike.storage.arrays.batches import batches
from seelike.storage.errors import StorageError
from seelike.storage.store import Store, make_store
from seelike.tasks.comparison import blockwise
from seelike.tasks.comparison.blockwise import compare_blocks
from seelike.tasks.step_results import PairsResult, SignaturesResult

from .test_compare import compared, features, signed, signed_all

BOUNDS = batches(96, 12)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    # Seven taps in blocks of three: models lie across their edges.
    monkeypatch.setattr(tap_pairs, "LEAST", 3)
    monkeypatch.setattr(tap_pairs, "MOST", 3)


def in_blocks(
    store: Store, models: Sequence[SignaturesResult], *, dask: str | None = None
) -> PairsResult:
    return compare_blocks.fn(
        models, store=store.url, skip_degenerate=False, provenance={"study": "made up"}, dask=dask
    )


def test_blocks_hold_what_the_comparison_of_all_at_once_does(tmp_path: Path) -> None:
    store = make_store(str(tmp_path))
    models = signed_all(store, features(96), bounds=BOUNDS)
    whole = compared(store, models)
    found = in_blocks(store, models)
    assert found.computed == 6
    blocks = xr.open_zarr(found.url, consolidated=False).load()
    assert blocks["cka"].dims == ("tap_a", "tap_b")
    np.testing.assert_allclose(blocks["cka"], whole["cka"], atol=1e-6)
    assert np.array_equal(blocks["cka"], blocks["cka"].T)
    assert (np.diag(blocks["cka"]) == 1).all()
    for name in ("model_a", "tap_a", "depth_b", "trained_a"):
        assert blocks[name].values.tolist() == whole[name].values.tolist()
    for end in ("cka_low", "cka_high"):
        np.testing.assert_allclose(blocks[end], whole[end], atol=2e-5)


def test_rows_are_those_of_the_dataset_and_incomplete_ones_are_refused(tmp_path: Path) -> None:
    store = make_store(str(tmp_path))
    found = in_blocks(store, signed_all(store, features(96), bounds=BOUNDS))
    blocks, dataset = found.blocks, found.open().load()
    assert np.array_equal(blocks.rows_of(2, 5), dataset["cka"][2:5])
    blocks.ledger.forget(2)
    with pytest.raises(StorageError, match=r"lacks 1 of 6 blocks; run its study again"):
        found.open()
    (tmp_path / "pairs" / found.name / "cka" / "c" / "0" / "2").unlink()
    with pytest.raises(StorageError, match="is not complete; run its study again"):
        blocks.rows_of(0, 2)


def test_a_new_model_adds_its_rows_alone_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(str(tmp_path))
    activations = features(96)
    first, second, third = signed_all(store, activations, bounds=BOUNDS)
    in_blocks(store, [first, third])
    cells = 0
    compute = blockwise.compute_cells

    def counted(a: Store, b: tap_pairs.Pairs, rows: Sequence[int], columns: Sequence[int]):  # type: ignore[no-untyped-def]
        nonlocal cells
        cells += len(rows) * len(columns)
        return compute(a, b, rows, columns)

    monkeypatch.setattr(blockwise, "compute_cells", counted)
    found = in_blocks(store, [first, second, third])
    # 7 x 7 cells, of which blocks on one side of the diagonal are computed, 39; without the
    # 5 x 5 of the old models, there on both sides.
    new = [3, 4]
    own = [(i, j) for i in range(7) for j in range(7) if i // 3 <= j // 3]
    assert cells == len([(i, j) for i, j in own if i in new or j in new])
    monkeypatch.setattr(tap_pairs, "most_alike", lambda *_: None)
    other = make_store(str(tmp_path / "anew"))
    anew = in_blocks(other, signed_all(other, activations, bounds=BOUNDS))
    for name in ("cka", "cka_low", "cka_high"):
        np.testing.assert_allclose(found.open()[name], anew.open()[name], atol=1e-6)


def test_copies_of_one_network_that_blocks_cut_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Untrained twins of one architecture are one network, with the same signatures: a block of as
    # many taps as it has may hold the end of one copy and the beginning of the next.
    monkeypatch.setattr(tap_pairs, "LEAST", 5)
    monkeypatch.setattr(tap_pairs, "MOST", 5)
    store, rng = make_store(str(tmp_path)), np.random.default_rng(0)
    taps = {f"blocks.{i}": rng.normal(size=(96, 4 + i)).astype(np.float32) for i in range(5)}
    first = signed(store, "First", features(96)["ResNet"], bounds=BOUNDS)
    network = signed(store, "One", taps, bounds=BOUNDS)
    copies = [
        SignaturesResult(
            replace(network.plan, subject=replace(network.plan.subject, spec=spec)), recorded=0
        )
        for spec in (ModelSpec(name, timm="resnet18") for name in ("One", "Other"))
    ]
    found = in_blocks(store, [first, *copies]).open().load()
    whole = compared(store, [first, *copies])
    np.testing.assert_allclose(found["cka"], whole["cka"], atol=1e-6)
    # A layer of one copy with the same layer of the other is a layer with itself.
    for name in ("cka", "cka_low", "cka_high"):
        for dataset in (found, whole):
            cells = dataset[name].values[-10:, -10:]
            assert (np.diag(cells) == 1).all() and (np.diag(cells, 5) == 1).all()
            assert np.abs(dataset[name].values).max() <= 1


def test_models_called_otherwise_are_other_pairs_of_which_nothing_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(str(tmp_path))
    models = signed_all(store, features(96), bounds=BOUNDS)
    before = in_blocks(store, models)
    plan = models[0].plan
    renamed = replace(plan, subject=replace(plan.subject, spec=ModelSpec("New", timm="resnet18")))
    monkeypatch.setattr(blockwise, "compute_cells", None)
    after = in_blocks(store, [SignaturesResult(renamed, 0), *models[1:]])
    assert before.open()["model_a"].values[0] == "ViT"
    assert after.open()["model_a"].values[0] == "New"
    assert np.array_equal(before.open()["cka"], after.open()["cka"])


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def test_a_killed_run_goes_on_at_the_next_block_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = (make_store(str(tmp_path / name)) for name in ("killed", "whole"))
    models = signed_all(store, features(96), bounds=BOUNDS)
    whole = in_blocks(other, signed_all(other, features(96), bounds=BOUNDS))
    write, written = tap_pairs.Pairs.write, []

    def dies(made: tap_pairs.Pairs, block: int, values: dict[str, np.ndarray]) -> None:
        # Whatever the order in which threads come here, some are written and some are not.
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(block)
        write(made, block, values)

    monkeypatch.setattr(tap_pairs.Pairs, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        in_blocks(store, models)
    monkeypatch.setattr(tap_pairs.Pairs, "write", write)
    resumed = in_blocks(store, models)
    assert 1 <= resumed.computed < 6
    assert resumed.name == whole.name
    ends = [tmp_path / name / "pairs" / whole.name for name in ("killed", "whole")]
    assert content(ends[0]) == content(ends[1])
    assert in_blocks(store, models).computed == 0


def test_a_damaged_block_is_found_and_made_again(tmp_path: Path) -> None:
    store = make_store(str(tmp_path))
    models = signed_all(store, features(96), bounds=BOUNDS)
    found = in_blocks(store, models)
    chunk = tmp_path / "pairs" / found.name / "cka" / "c" / "1" / "2"
    bytes_ = bytearray(chunk.read_bytes())
    bytes_[0] ^= 1
    chunk.write_bytes(bytes_)
    (fault,) = maintenance.faults(store)
    assert (fault.kind, fault.batch) == ("pairs", 4)
    assert "is damaged in block 4; mend it with `seelike store verify --mend" in fault.message
    maintenance.mend(store, fault)
    assert in_blocks(store, models).computed == 1
    assert list(maintenance.faults(store)) == []


def test_workers_of_a_cluster_make_the_same(tmp_path: Path) -> None:
    store, other = (make_store(str(tmp_path / name)) for name in ("here", "there"))
    here = in_blocks(store, signed_all(store, features(96), bounds=BOUNDS))
    models = signed_all(other, features(96), bounds=BOUNDS)
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        there = in_blocks(other, models, dask=cluster.scheduler_address)
    assert (there.name, there.computed) == (here.name, 6)
    np.testing.assert_allclose(there.open()["cka"], here.open()["cka"], atol=1e-6)


def test_constant_taps_and_other_images_are_refused(tmp_path: Path) -> None:
    store = make_store(str(tmp_path))
    activations = features(96)
    activations["ViT"]["norm"][:] = 3.0
    models = signed_all(store, activations, bounds=BOUNDS)
    with pytest.raises(AnalysisError, match=r"ViT: norm; leave such layers out"):
        in_blocks(store, models)
    strange = signed(store, "Other", activations["ResNet"], bounds=BOUNDS, images="others")
    with pytest.raises(AnalysisError, match="recorded with image set"):
        in_blocks(store, [models[1], strange])
    assert store.names("pairs") == []


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batches_=st.integers(2, 40),
    taps=st.integers(2, 5),
    short=st.booleans(),
)
def test_intervals_are_those_of_the_whole_matrix(
    seed: int, batches_: int, taps: int, short: bool
) -> None:
    rng = np.random.default_rng(seed)
    # HSICs of batches as positive matrices that vary by a third.
    factors = rng.normal(size=(batches_, taps, 12)) * 0.3 + rng.normal(size=(taps, 12))
    hsic = factors @ factors.transpose(0, 2, 1)
    norms = np.sqrt(np.diagonal(hsic, axis1=1, axis2=2))
    total = np.sqrt((norms**2).sum(axis=0))
    parts = (hsic / total / total[:, None]).astype(np.float32)
    images = [64] * (batches_ - 1) + [40 if short else 64]
    value, interval = block_cka(parts, norms / total, norms / total, images=images)
    np.testing.assert_allclose(value, cka_from_hsic(hsic), atol=1e-6)
    off = ~np.eye(taps, dtype=bool)  # Of a tap with itself the block is told elsewhere.
    for mine, theirs in zip(interval, cell_interval(hsic, images=images), strict=True):
        np.testing.assert_allclose(mine[off], theirs[off], atol=2e-5)


def test_a_tap_that_varies_in_one_batch_alone_has_the_whole_interval() -> None:
    weights = np.full((4, 3), 0.5)
    weights[:, 1] = [0, 1, 0, 0]
    parts = (0.4 * weights[:, :, None] * weights[:, None, :]).astype(np.float32)
    _, (low, high) = block_cka(parts, weights, weights)
    np.testing.assert_array_equal([low[1, 0], high[1, 0], low[2, 1], high[2, 1]], [-1, 1, -1, 1])
    assert low[0, 2] == high[0, 2] == pytest.approx(0.4)


def test_a_single_batch_has_no_interval_and_weights_have_to_belong(tmp_path: Path) -> None:
    store = make_store(str(tmp_path))
    found = in_blocks(store, signed_all(store, features(20), bounds=batches(20, 30)))
    assert set(found.open()) == {"cka"}
    with pytest.raises(AnalysisError, match="expected \\(2, 3\\) of the parts"):
        block_cka(np.zeros((2, 3, 3), np.float32), np.ones((2, 4)), np.ones((2, 3)))
