"""Comparing all pairs of taps of all models of a study: a step a measure, then one dataset."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from analysis.similarity import bootstrap, cka_from_hsic, mean_interval
from analysis.similarity.measures import (
    ExactMeasure,
    FitMeasure,
    PairMeasure,
    ResidualMeasure,
    deconfounded,
    measure,
    pair_measure,
    pairs_of_images,
)
from analysis.similarity.nulls import calibrated, q_values
from storage import comparisons
from storage.images import ImageSet
from storage.recordings import open_recording
from storage.signatures import Signatures, open_signatures
from storage.store import Store, open_store
from tasks import fit
from tasks.compared_taps import check_same_images, labels, left_out, varying
from tasks.confounder import signed_images
from tasks.exact import exact_cka
from tasks.nulls import null_of
from tasks.pairs import products, shares
from tasks.references import ComparisonReference, ModelPlan, SignaturesReference, Statistics
from tasks.retries import RETRIED
from tasks.versions import versions

REPEATS, LEVEL, SEED = 1000, 0.95, 0
DIMS = ("tap_a", "tap_b")


@dataclass(frozen=True)
class _Subjects:
    """The signed models of a study, opened, and which of their taps vary over the images."""

    store: Store
    plans: list[ModelPlan]
    images: ImageSet
    present: np.ndarray
    statistics: Statistics

    def signatures(self, name: str) -> list[Signatures]:
        return [open_signatures(self.store, plan.signatures(name)) for plan in self.plans]


@task(task_run_name="compare by {name}", cache_policy=NO_CACHE, **RETRIED)
def compare_measure(
    signed: Sequence[SignaturesReference],
    images: ImageSet,
    *,
    name: str,
    store: str,
    statistics: Statistics,
) -> str:
    """One measure of every pair of taps of all models, with intervals; its digest in the store.

    Raises ``AnalysisError`` naming model and tap for taps that are constant over the images,
    unless they are to be skipped, and for models that were recorded on different images.
    """
    opened = open_store(store)
    plans = [one.plan for one in signed]
    result = measure_name(plans, name, statistics=statistics)
    if comparisons.exists(opened, result, kind=comparisons.MEASURES):
        return result
    check_same_images(plans)
    start = time.perf_counter()
    present = varying(opened, plans, skip=statistics.skip_degenerate)
    subjects = _Subjects(opened, plans, images, present, statistics)
    variables = _WAYS[type(measure(name))](subjects, name)
    dataset = xr.Dataset(variables, attrs={"measure": name, "left_out": left_out(plans, present)})
    dataset.attrs["seconds"] = round(time.perf_counter() - start, 2)
    comparisons.write(opened, result, dataset, kind=comparisons.MEASURES)
    return result


def _by_pairs(subjects: _Subjects, name: str) -> dict[str, Any]:
    kept = subjects.signatures(name)
    cosines, norms = products(kept)
    present = subjects.present
    variables = _resampled(shares(cosines[:, present][:, :, present], norms[:, present]))
    signs_pairs = pair_measure(name).length is pairs_of_images
    if subjects.statistics.permutations and signs_pairs:
        variables |= _above_chance(subjects, kept, variables["value"][1], norms)
    return variables


def _above_chance(
    subjects: _Subjects, kept: Sequence[Signatures], observed: np.ndarray, norms: np.ndarray
) -> dict[str, Any]:
    """What shuffled images say of cells, best matches, and pairs of models."""
    null = null_of(
        kept,
        observed,
        norms,
        model=labels(subjects.plans, subjects.present)["model"],
        permutations=subjects.statistics.permutations,
        seed=SEED,
    )
    return {
        "p": (DIMS, null.cells.p),
        "q": (DIMS, q_values(null.cells.p)),
        "critical": (DIMS, null.cells.critical),
        "calibrated": (DIMS, calibrated(observed, null.cells.critical)),
        "best_p": (("tap_a", "other_model"), null.matches.p),
        "block_p": (("own_model", "other_model"), null.blocks.p),
    }


def _by_residuals(subjects: _Subjects, name: str) -> dict[str, Any]:  # noqa: ARG001
    kept = subjects.signatures("cka")
    confounder = signed_images(subjects.plans[0], subjects.images, store=subjects.store)
    cosines, norms = products([*kept, confounder])
    chosen = [*subjects.present, norms.shape[1] - 1]
    parts = shares(cosines[:, chosen][:, :, chosen], norms[:, chosen])
    return _resampled(deconfounded(parts))


def _by_fits(subjects: _Subjects, name: str) -> dict[str, Any]:
    kept = [open_recording(subjects.store, plan.recording) for plan in subjects.plans]
    values = fit.values_of(name, subjects.plans, kept, subjects.images, present=subjects.present)
    parts = (values / len(values)).astype(np.float32)
    return {
        "value": (DIMS, values.mean(axis=0)),
        "parts": (("batch", *DIMS), parts),
        **_bounds(mean_interval(values, repeats=REPEATS, level=LEVEL, seed=SEED)),
    }


def _by_all(subjects: _Subjects, name: str) -> dict[str, Any]:
    kept = [open_recording(subjects.store, plan.recording) for plan in subjects.plans]
    asked = cast(ExactMeasure, measure(name))
    value, low, high = exact_cka(
        kept,
        estimator=asked.estimator,
        kernel=asked.kernel,
        width=asked.width,
        memory=subjects.statistics.memory,
        present=subjects.present,
    )
    interval = None if low is None or high is None else (low, high)
    return {"value": (DIMS, value), **_bounds(interval)}


_WAYS: dict[type, Callable[[_Subjects, str], dict[str, Any]]] = {
    PairMeasure: _by_pairs,
    ResidualMeasure: _by_residuals,
    FitMeasure: _by_fits,
    ExactMeasure: _by_all,
}


def _resampled(parts: np.ndarray) -> dict[str, Any]:
    """Ratios of sums over the batches, and their intervals."""
    return {
        "value": (DIMS, cka_from_hsic(parts)),
        "parts": (("batch", *DIMS), parts.astype(np.float32)),
        **_bounds(bootstrap(parts, repeats=REPEATS, level=LEVEL, seed=SEED)),
    }


def _bounds(interval: tuple[np.ndarray, np.ndarray] | None) -> dict[str, Any]:
    return {} if interval is None else {"low": (DIMS, interval[0]), "high": (DIMS, interval[1])}


def measure_name(plans: Sequence[ModelPlan], name: str, *, statistics: Statistics) -> str:
    """The digest of one measure of all pairs of ``plans``' taps."""
    return comparisons.name(
        {
            "models": [[plan.name, plan.signatures("cka")] for plan in plans],
            "measure": name,
            "bootstrap": [REPEATS, LEVEL, SEED],
            **statistics.identity(),
        },
        kind=comparisons.MEASURES,
    )


def comparison_name(
    plans: Sequence[ModelPlan], measures: Sequence[str], *, statistics: Statistics, sweep: bool
) -> str:
    """The digest of the comparison of ``plans`` by ``measures``, with or without a sweep."""
    each = [measure_name(plans, name, statistics=statistics) for name in measures]
    # What a study says of its models is kept with the comparison: said anew, it is another one.
    origins = {plan.name: plan.facts.get("origin") for plan in plans}
    return comparisons.name({"measures": each, "sweep": sweep, "origins": origins})


@task(task_run_name="join measures", cache_policy=NO_CACHE, **RETRIED)
def join_measures(
    signed: Sequence[SignaturesReference],
    *,
    names: dict[str, str],
    swept: str | None,
    store: str,
    study_name: str,
    provenance: dict[str, Any],
    statistics: Statistics,
) -> ComparisonReference:
    """The comparison: every measure's variables over one pair of tap axes, with what it is of."""
    opened = open_store(store)
    plans = [one.plan for one in signed]
    name = comparison_name(plans, list(names), statistics=statistics, sweep=swept is not None)
    reference = ComparisonReference(store, name, recorded=sum(one.recorded for one in signed))
    if comparisons.exists(opened, name):
        return reference
    each = {m: comparisons.read(opened, n, kind=comparisons.MEASURES) for m, n in names.items()}
    variables = {
        variable(m, str(key)): values for m, part in each.items() for key, values in part.items()
    }
    present = varying(opened, plans, skip=statistics.skip_degenerate)
    coordinates: dict[str, Any] = {
        f"{key}_{side}": (f"tap_{side}", values)
        for side in ("a", "b")
        for key, values in labels(plans, present).items()
    }
    if statistics.permutations:
        models = list(dict.fromkeys(coordinates["model_a"][1]))
        coordinates |= {"own_model": models, "other_model": models}
    dataset = xr.Dataset({key: v.variable for key, v in variables.items()}, coordinates)
    if swept is not None:
        dataset = dataset.merge(
            comparisons.read(opened, swept, kind=comparisons.MEASURES).rename(
                error_mean="sweep_error_mean", error_max="sweep_error_max"
            )
        )
    dataset.attrs |= provenance | {
        "study": study_name,
        "measures": {
            variable(m, "value"): {"title": measure(m).title, "source": measure(m).source}
            for m in names
        },
        "estimator": "minibatch CKA, unbiased HSIC (Song 2012; Nguyen 2021), linear kernel",
        "interval": f"{LEVEL:.0%} bootstrap over {len(plans[0].bounds)} batches, {REPEATS} repeats",
        "permutations": statistics.permutations,
        "signatures": {plan.name: plan.signatures("cka") for plan in plans},
        "left_out_taps": left_out(plans, present),
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(sum(part.attrs["seconds"] for part in each.values()), 2),
        "versions": versions(),
    }
    comparisons.write(opened, name, dataset)
    return reference


def variable(name: str, part: str) -> str:
    """What a comparison calls one part of a measure: ``cka``, ``cka_low``, ``cka_parts``."""
    called = name.replace(":", "_")
    return called if part == "value" else f"{called}_{part}"
