"""The null from the store: the plain one, bit by bit, whoever shares the work."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import cka_from_hsic, signature, unit
from seelike.analysis.similarity.measures import deconfounded
from seelike.analysis.similarity.significance import permutation_tests
from seelike.analysis.similarity.significance.permutation_tests import Null, PermutationTest
from seelike.analysis.similarity.significance.permutations import batch_weights
from seelike.storage.arrays import signatures
from seelike.storage.arrays.batches import batches
from seelike.storage.arrays.signatures import Signatures
from seelike.storage.errors import StorageError
from seelike.storage.store import Store, make_store
from seelike.tasks.comparison.permutation_tests import (
    permutation_null,
    residual_batches,
    signature_batches,
)
from seelike.tasks.comparison.signature_products import products, shares

BOUNDS = batches(31, 12)
TAPS = {"A": ("stem", "constant", "norm"), "B": ("stem", "blocks.0", "norm")}
# The constant tap of A is left out.
MODEL = ["A", "A", "B", "B", "B"]
PRESENT = np.array([0, 2, 3, 4, 5])


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
                made = {t: unit(signature(x[start:stop])) for t, x in activations.items()}
                one.write(batch, made)
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
@pytest.mark.parametrize("held", [5 * 5 * 4, permutation_tests.HELD])
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
    monkeypatch.setattr(permutation_tests, "HELD", held)
    test = PermutationTest(observed, MODEL, permutations=25, seed=4)
    found = permutation_null(test, signature_batches(kept, norms, present=PRESENT), workers=workers)
    assert_same(found, plain)


def test_another_seed_gives_another_null(tmp_path: Path) -> None:
    kept = kept_in(make_store(str(tmp_path / "store")))
    observed, norms = compared(kept)
    batches = signature_batches(kept, norms, present=PRESENT)
    one, two = (
        permutation_null(PermutationTest(observed, MODEL, 25, seed), batches) for seed in (0, 1)
    )
    assert (one.cells.critical != two.cells.critical).any()


def test_other_taps_than_were_observed_are_named(tmp_path: Path) -> None:
    kept = kept_in(make_store(str(tmp_path / "store")))
    observed, norms = compared(kept)
    test = PermutationTest(observed, MODEL, permutations=25)
    with pytest.raises(AnalysisError, match="batches of 4 taps, observed similarities of 5"):
        permutation_null(test, signature_batches(kept, norms, present=PRESENT[1:]))
    with pytest.raises(AnalysisError, match=r"norms of taps \[1\] are zero"):
        signature_batches(kept, norms, present=np.arange(6))


def test_signatures_that_are_missing_are_an_error(tmp_path: Path) -> None:
    observed, norms = compared(kept_in(make_store(str(tmp_path / "store"))))
    holed = kept_in(make_store(str(tmp_path / "holed")), without=1)
    test = PermutationTest(observed, MODEL, permutations=25)
    with pytest.raises(StorageError, match=r"batch 1 .* never completed"):
        permutation_null(test, signature_batches(holed, norms, present=PRESENT))


def test_residuals_are_what_is_left_beside_the_confounder(tmp_path: Path) -> None:
    kept = kept_in(make_store(str(tmp_path / "store")))
    cosines, norms = products(kept)
    # The last tap of all is taken as the confounder of the others.
    parts = shares(cosines[:, PRESENT][:, :, PRESENT], norms[:, PRESENT])
    batches = signature_batches(kept, norms, present=PRESENT)
    found = np.concatenate(list(residual_batches(batches, parts)()), axis=1)
    whole = np.concatenate(list(batches()), axis=1).astype(np.float64)
    for tap, vector in enumerate(whole[:-1]):
        fitted = np.linalg.lstsq(whole[-1:].T, vector, rcond=None)[0] * whole[-1]
        left = vector - fitted
        np.testing.assert_allclose(found[tap], left / np.linalg.norm(left), atol=1e-5)
    np.testing.assert_allclose(found @ found.T, cka_from_hsic(deconfounded(parts)), atol=1e-5)
