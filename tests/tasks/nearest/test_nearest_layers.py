"""Nearest layers of real networks: those of the whole CKA matrix, and of sketches of it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import cka_matrix
from seelike.analysis.similarity.nearest.sketches import Projection
from seelike.storage.arrays.ledger import Ledger
from seelike.storage.arrays.signatures import open_signatures
from seelike.storage.arrays.sketches import Sketches, open_sketches
from seelike.storage.catalogue import model_signatures
from seelike.storage.digest import digest
from seelike.storage.errors import StorageError
from seelike.storage.maintenance import faults, mend
from seelike.storage.store import Store, make_store
from seelike.tasks.nearest.by_signatures import by_signatures
from seelike.tasks.nearest.by_sketches import by_index, by_sketches
from seelike.tasks.nearest.neighbours import Neighbours

from .recorded_zoo import TAPS, plan_of, record, sample, sketch

PROJECTION = Projection(1024)
ASKED = "vit:blocks.2"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Signatures of three networks; one is there twice, with other taps; one on other images."""
    made = make_store(str(tmp_path_factory.mktemp("nearest") / "store"))
    images = sample()
    for model in TAPS:
        record(plan_of(model, images), images, made)
    record(plan_of("vit-seed1", images, batch=32), images, made)
    fewer = sample(40)
    record(plan_of("mixer", fewer), fewer, made)
    return made


def matrix(store: Store) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Names and CKA of all taps signed on 64 images in batches of 20, from whole signatures."""
    names, rows = [], []
    images = sample().digest
    for one in model_signatures(store, "signatures"):
        if one.setting == (images, 20, "flatten"):
            kept = open_signatures(store, one.name)
            read = [kept.read(batch) for batch in range(4)]
            rows.append(np.stack([d * n[:, None].astype(float) for d, n in read], axis=1))
            names += [(one.model, tap) for tap in one.taps]
    return names, cka_matrix(np.concatenate(rows))


def found(neighbours: Neighbours) -> list[tuple[str, str]]:
    return [(one.layer.volume.model, one.layer.tap) for one in neighbours.found]


@pytest.mark.parametrize("other_models", [False, True])
def test_the_nearest_are_those_of_the_whole_matrix(store: Store, other_models: bool) -> None:
    names, whole = matrix(store)
    row = whole[names.index(("vit", "blocks.2"))]
    order = [
        i
        for i in np.argsort(-row)
        if names[i] != ("vit", "blocks.2") and not (other_models and names[i][0] == "vit")
    ]
    nearest = by_signatures(store, ASKED, count=6, other_models=other_models)

    assert nearest.among == len(order)
    assert found(nearest) == [names[i] for i in order[:6]]
    np.testing.assert_allclose([one.cka for one in nearest.found], row[order[:6]], atol=1e-6)
    assert all(one.low is not None and one.high is not None for one in nearest.found)
    assert all(one.layer.depth is not None for one in nearest.found)


def test_a_network_recorded_with_other_taps_counts_every_layer_once(tmp_path: Path) -> None:
    images, twice = sample(), make_store(str(tmp_path / "store"))
    first, again = plan_of("vit", images), plan_of("vit", images, taps=("blocks.*",))
    assert first.identity != again.identity
    for plan in (first, again):
        record(plan, images, twice)
    both = found(by_signatures(twice, ASKED, count=99))
    assert sorted(both) == [("vit", f"blocks.{i}") for i in range(8) if i != 2]


def test_sketches_agree_with_signatures_within_their_bars(store: Store) -> None:
    names, whole = matrix(store)
    row = dict(zip(names, whole[names.index(("vit", "blocks.2"))], strict=True))
    nearest = by_sketches(store, ASKED, count=99, projection=PROJECTION)
    assert set(found(nearest)) == set(names) - {("vit", "blocks.2")}
    # One draw, many taps: their errors go together, so twice the bar.
    for one, name in zip(nearest.found, found(nearest), strict=True):
        assert one.high is not None
        assert abs(one.cka - row[name]) <= 2 * (one.high - one.cka) + 1e-6


def test_sketches_made_while_recording_are_those_of_signatures(
    store: Store, tmp_path: Path
) -> None:
    images, alone = sample(), make_store(str(tmp_path / "store"))
    plan = plan_of("vit", images)
    recorded = record(plan, images, alone, keep="sketches", projection=PROJECTION)
    assert recorded == len(plan.bounds)
    name = sketch(plan, alone, keep="sketches", projection=PROJECTION)
    assert name == sketch(plan, store, keep="signatures", projection=PROJECTION)
    assert alone.names("signatures") == []
    assert files(alone, name) == files(store, name)
    assert record(plan, images, alone, keep="sketches", projection=PROJECTION) == 0
    with pytest.raises(AnalysisError, match="as a sketch only; ask with --sketches"):
        by_signatures(alone, ASKED, count=1)
    own = by_sketches(alone, ASKED, count=4, projection=PROJECTION)
    assert {one.layer.tap for one in own.found} == {tap.name for tap in plan.taps} - {"blocks.2"}


@pytest.mark.parametrize("when", range(1, 6))
def test_a_run_that_is_cut_off_goes_on_to_the_same_bytes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    """Before the mark of any batch, and before that of all of them added up."""
    images, alone = sample(), make_store(str(tmp_path / "store"))
    plan = plan_of("vit", images)
    marks = iter(range(1, 99))
    mark = Ledger.mark

    def cut(self: Ledger, batch: int, checksums: list[int]) -> None:
        if next(marks) == when:
            raise ConnectionError("cut off")
        mark(self, batch, checksums)

    def run() -> str:
        record(plan, images, alone, keep="sketches", projection=PROJECTION)
        return sketch(plan, alone, keep="sketches", projection=PROJECTION)

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "mark", cut)
        with pytest.raises(ConnectionError):
            run()
    name = run()
    whole = sketch(plan, store, keep="signatures", projection=PROJECTION)
    assert files(alone, name) == files(store, whole)


def test_what_is_cut_off_after_the_last_mark_is_cleared_away(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, alone = sample(), make_store(str(tmp_path / "store"))
    plan = plan_of("vit", images)
    record(plan, images, alone, keep="sketches", projection=PROJECTION)
    with monkeypatch.context() as patched:
        patched.setattr(Sketches, "clear", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sketch(plan, alone, keep="sketches", projection=PROJECTION)
    name = sketch(plan, alone, keep="sketches", projection=PROJECTION)
    whole = sketch(plan, store, keep="signatures", projection=PROJECTION)
    assert files(alone, name) == files(store, whole)


def test_a_damaged_sketch_is_found_and_made_again(tmp_path: Path) -> None:
    images, alone = sample(), make_store(str(tmp_path / "store"))
    plan = plan_of("vit", images)
    record(plan, images, alone)
    name = sketch(plan, alone, keep="signatures", projection=PROJECTION)
    before = files(alone, name)
    assert list(faults(alone)) == []
    chunk = Path(alone.url, "sketches", name, "sketch/c/0/0")
    chunk.write_bytes(bytes([chunk.read_bytes()[0] ^ 1]) + chunk.read_bytes()[1:])
    with pytest.raises(StorageError, match=r"'sketch'.*damaged"):
        open_sketches(alone, name).read()
    for fault in faults(alone):
        mend(alone, fault)
    assert sketch(plan, alone, keep="signatures", projection=PROJECTION) == name
    assert files(alone, name) == before


def test_an_index_finds_what_all_sketches_find(store: Store) -> None:
    pytest.importorskip("faiss")
    every = by_sketches(store, ASKED, count=5, projection=PROJECTION, other_models=True)
    for _ in range(2):  # Made, then read.
        some = by_index(store, ASKED, count=5, projection=PROJECTION, other_models=True)
        assert found(some) == found(every)
        assert [one.cka for one in some.found] == [one.cka for one in every.found]
    assert len(store.names("indexes")) == 1


def test_without_faiss_one_line_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(AnalysisError, match=r"needs FAISS: pip install 'seelike\[index\]'"):
        by_index(store, ASKED, count=5, projection=Projection(64))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("vut:blocks.2", "model 'vut' is not in .*nearest: 'vit'"),
        ("vit:blcks.2", "tap 'blcks.2' of vit is not in .*nearest: 'blocks.2'"),
        ("vit", "'vit' names no layer, expected MODEL:LAYER"),
        ("mixer:blocks.1", "means several layers .* name one as DIGEST:TAP"),
    ],
)
def test_a_layer_that_is_not_there_is_refused_with_the_nearest(
    store: Store, name: str, why: str
) -> None:
    with pytest.raises(AnalysisError, match=why):
        by_signatures(store, name, count=3)


def test_a_digest_names_one_of_several(store: Store) -> None:
    for one in model_signatures(store, "signatures"):
        if one.model == "mixer":
            nearest = by_signatures(store, f"{one.name[:8]}:blocks.1", count=3)
            assert nearest.of.volume.name == one.name


def test_a_store_without_signatures_says_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="holds no signatures; `seelike compare STUDY`"):
        by_signatures(make_store(str(tmp_path / "store")), ASKED, count=3)


def test_unfinished_models_are_left_out_and_told(tmp_path: Path) -> None:
    images, other = sample(), make_store(str(tmp_path / "store"))
    for model in ("vit", "mixer"):
        plan = plan_of(model, images)
        record(plan, images, other)
    open_signatures(other, plan.signatures("cka")).ledger.forget(3)
    nearest = by_signatures(other, ASKED, count=99)
    assert {model for model, _ in found(nearest)} == {"vit"}
    assert nearest.left_out == ("mixer: 1 of 4 batches",)
    with pytest.raises(AnalysisError, match="lacks 1 of 4 batches; run its study again"):
        by_signatures(other, "mixer:blocks.1", count=3)


def test_another_projection_than_what_is_there_is_refused(tmp_path: Path) -> None:
    images, alone = sample(), make_store(str(tmp_path / "store"))
    plan = plan_of("vit", images)
    record(plan, images, alone, keep="sketches", projection=PROJECTION)
    sketch(plan, alone, keep="sketches", projection=PROJECTION)
    with pytest.raises(AnalysisError, match="no complete sketch of 64 numbers, seed 0"):
        by_sketches(alone, ASKED, count=1, projection=Projection(64))


def files(store: Store, name: str) -> dict[str, str]:
    """Every file of one model's sketches, by its content."""
    root = Path(store.url, "sketches", name)
    return {
        path.relative_to(root).as_posix(): digest({"bytes": path.read_bytes().hex()})
        for path in root.rglob("*")
        if path.is_file()
    }
