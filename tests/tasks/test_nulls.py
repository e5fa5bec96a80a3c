"""The null from the store: the plain one, bit by bit, whoever shares the work."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.similarity import cka_from_hsic, nulls, signature, unit
from analysis.similarity.nulls import Null, PermutationTest
from analysis.similarity.permutations import batch_weights
from storage import signatures
from storage.batches import batches
from storage.errors import StorageError
from storage.signatures import Signatures
from storage.store import Store, make_store
from tasks.compare import products, shares
from tasks.nulls import null_of

BOUNDS = batches(31, 12)
TAPS = {"A": ("stem", "constant", "norm"), "B": ("stem", "blocks.0", "norm")}
# The constant tap of A is left out.
MODEL = ["A", "A", "B", "B", "B"]
PRESENT = [0, 2, 3, 4, 5]


def kept_in(store: Store, *, without: int | None = None) -> list[Signatures]:
    """Signatures of two models over batches of 12, 12 and 7 images, of lengths far from one."""
    rng = np.random.default_rng(0)
    common, kept = rng.normal(size=(31, 4)), []
    for name, taps in TAPS.items():
        activations = {
            tap: 1e3 * (0.4 * common + rng.normal(size=(31, 4))) * (tap != "constant")
            for tap in taps
        }
        one = signatures.create(store, {"m": name}, taps=taps, bounds=BOUNDS, attributes={})
        for batch, (start, stop) in enumerate(BOUNDS):
            if batch != without:
                signed = {t: unit(signature(x[start:stop])) for t, x in activations.items()}
                one.write(batch, signed)
        kept.append(one)
    return kept


def compared(kept: Sequence[Signatures]) -> tuple[np.ndarray, np.ndarray]:
    """CKA of the taps that are present, and norms of all."""
    cosines, norms = products(kept)
    parts = shares(cosines[:, PRESENT][:, :, PRESENT], norms[:, PRESENT])
    return cka_from_hsic(parts), norms


def assert_same(one: Null, two: Null) -> None:
    assert (one.models, one.draws) == (two.models, two.draws)
    for part in ("cells", "matches", "blocks"):
        for field in fields(one.cells):
            values = [getattr(getattr(null, part), field.name) for null in (one, two)]
            np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("workers", [1, 2, 3, 50])
@pytest.mark.parametrize("held", [5 * 5 * 4, nulls.HELD])
def test_the_null_from_the_store_is_the_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, held: int
) -> None:
    kept = kept_in(make_store(str(tmp_path / "store")))
    observed, norms = compared(kept)
    weighted = []
    for batch, weights in enumerate(batch_weights(norms[:, PRESENT])):
        directions = np.concatenate([one.read(batch)[0] for one in kept])[PRESENT]
        images = BOUNDS[batch][1] - BOUNDS[batch][0]
        pairs = images * (images - 1) // 2
        weighted.append(directions[:, :pairs] * weights[:, None].astype(np.float32))
    plain = PermutationTest(observed, MODEL, permutations=25, seed=4).null(weighted)
    assert 1 / 51 < plain.cells.p.max() <= 1
    monkeypatch.setattr(nulls, "HELD", held)
    found = null_of(kept, observed, norms, model=MODEL, permutations=25, seed=4, workers=workers)
    assert_same(found, plain)


def test_another_seed_gives_another_null(tmp_path: Path) -> None:
    kept = kept_in(make_store(str(tmp_path / "store")))
    observed, norms = compared(kept)
    one, two = (
        null_of(kept, observed, norms, model=MODEL, permutations=25, seed=seed) for seed in (0, 1)
    )
    assert (one.cells.critical != two.cells.critical).any()


def test_mistakes_are_named(tmp_path: Path) -> None:
    kept = kept_in(make_store(str(tmp_path / "store")))
    observed, norms = compared(kept)
    with pytest.raises(AnalysisError, match="5 taps are not constant, models are given for 6"):
        null_of(kept, observed, norms, model=["A", *MODEL], permutations=25)
    with pytest.raises(AnalysisError, match=r"observed similarities \(4, 4\) of 5 taps"):
        null_of(kept, observed[:4, :4], norms, model=MODEL, permutations=25)
    with pytest.raises(AnalysisError, match="0 permutations"):
        null_of(kept, observed, norms, model=MODEL, permutations=0)


def test_signatures_that_are_missing_are_an_error(tmp_path: Path) -> None:
    observed, norms = compared(kept_in(make_store(str(tmp_path / "store"))))
    holed = kept_in(make_store(str(tmp_path / "holed")), without=1)
    with pytest.raises(StorageError, match=r"batch 1 .* never completed"):
        null_of(holed, observed, norms, model=MODEL, permutations=25)
