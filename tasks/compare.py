"""Comparing all pairs of taps of all models of a study: one symmetric product a batch."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
from dask.base import compute
from dask.delayed import delayed
from prefect import task
from prefect.cache_policies import NO_CACHE
from threadpoolctl import threadpool_limits

from analysis.errors import AnalysisError
from analysis.similarity import batch_cosines, bootstrap, cka_from_hsic
from storage import comparisons, signatures
from storage.signatures import Signatures, open_signatures
from storage.store import open_store
from tasks.references import ComparisonReference, ModelPlan, SignaturesReference
from tasks.versions import versions

REPEATS, LEVEL, SEED = 1000, 0.95, 0


@task(task_run_name="compare {study_name}", cache_policy=NO_CACHE)
def compare_pairs(
    signed: Sequence[SignaturesReference],
    *,
    store: str,
    study_name: str,
    provenance: dict[str, Any],
    skip_degenerate: bool = False,
) -> ComparisonReference:
    """CKA of every pair of taps of all models, minibatch unbiased, with bootstrap intervals.

    Raises ``AnalysisError`` naming model and tap for taps that are constant over the images,
    unless they are to be skipped; then the attribute ``left_out_taps`` lists them.
    """
    opened = open_store(store)
    name = comparison_name([one.plan for one in signed], skip_degenerate=skip_degenerate)
    reference = ComparisonReference(store, name, recorded=sum(one.recorded for one in signed))
    if comparisons.exists(opened, name):
        return reference
    start = time.perf_counter()
    kept = [open_signatures(opened, one.name) for one in signed]
    cosines, norms = products(kept)
    labels = tap_labels(signed)
    present = np.flatnonzero(norms.any(axis=0))
    left_out = [f"{labels['model'][i]}: {labels['tap'][i]}" for i in np.flatnonzero(~norms.any(0))]
    if left_out and not skip_degenerate:
        raise AnalysisError(
            f"constant over the images, so no similarity is defined: {', '.join(left_out)}; "
            "leave such taps out with --skip-degenerate"
        )
    parts = shares(cosines[:, present][:, :, present], norms[:, present])
    dataset = labelled(parts, {k: [v[i] for i in present] for k, v in labels.items()})
    dataset.attrs |= provenance | {
        "study": study_name,
        "estimator": "minibatch CKA, unbiased HSIC (Song 2012; Nguyen 2021), linear kernel",
        "interval": f"{LEVEL:.0%} bootstrap over {len(parts)} batches, {REPEATS} repeats",
        "signatures": {one.plan.name: one.name for one in signed},
        "left_out_taps": left_out,
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(time.perf_counter() - start, 2),
        "versions": versions(),
    }
    comparisons.write(opened, name, dataset)
    return reference


def comparison_name(plans: Sequence[ModelPlan], *, skip_degenerate: bool) -> str:
    """The digest of the comparison of ``plans``' signatures."""
    return comparisons.name(
        {
            "signatures": [[plan.name, signatures.name(plan.identity)] for plan in plans],
            "bootstrap": [REPEATS, LEVEL, SEED],
            "skip_degenerate": skip_degenerate,
        }
    )


def products(kept: Sequence[Signatures]) -> tuple[np.ndarray, np.ndarray]:
    """Cosines (batches, T, T) float32 of all taps of all models, and norms (batches, T)."""
    product = delayed(_product, pure=False)
    with threadpool_limits(1):
        done = compute(  # type: ignore[no-untyped-call]
            *(product(kept, batch) for batch in range(len(kept[0].bounds))),
            scheduler="threads",
            num_workers=os.cpu_count(),
        )
    return np.stack([c for c, _ in done]), np.stack([n for _, n in done])


def _product(kept: Sequence[Signatures], batch: int) -> tuple[np.ndarray, np.ndarray]:
    """All models' taps in one operand, so that a symmetric product serves every pair."""
    read = [one.read(batch) for one in kept]
    return batch_cosines(np.concatenate([d for d, _ in read])), np.concatenate([n for _, n in read])


def shares(cosines: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """What each batch adds to CKA: (batches, T, T), summing to CKA over the batches."""
    # Scaled by the largest first: squares of tiny or huge norms leave float64's range.
    relative = norms / norms.max(axis=0)
    relative /= np.sqrt((relative**2).sum(axis=0))
    return np.asarray(cosines * (relative[:, :, None] * relative[:, None, :]))


def tap_labels(signed: Sequence[SignaturesReference]) -> dict[str, list[Any]]:
    """The coordinates of the tap axis, without their suffix."""
    rows = [(one.plan, tap) for one in signed for tap in one.plan.taps]
    return {
        "model": [plan.name for plan, _ in rows],
        "tap": [tap.name for _, tap in rows],
        "depth": [tap.depth for _, tap in rows],
        "trained": [plan.subject.trained for plan, _ in rows],
        "baseline_of": [plan.subject.baseline_of for plan, _ in rows],
    }


def labelled(parts: np.ndarray, labels: dict[str, list[Any]]) -> xr.Dataset:
    """The comparison as a Dataset with dims tap_a and tap_b and their coordinates."""
    dims = ("tap_a", "tap_b")
    coordinates = {
        f"{key}_{side}": (f"tap_{side}", values)
        for side in ("a", "b")
        for key, values in labels.items()
    }
    variables: dict[str, Any] = {
        "cka": (dims, cka_from_hsic(parts)),
        "cka_parts": (("batch", *dims), parts.astype(np.float32)),
    }
    interval = bootstrap(parts, repeats=REPEATS, level=LEVEL, seed=SEED)
    if interval is not None:
        variables["cka_low"], variables["cka_high"] = ((dims, bound) for bound in interval)
    return xr.Dataset(variables, coordinates)
