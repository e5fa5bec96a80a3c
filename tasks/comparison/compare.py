"""Compare all pairs of taps of all models of a study: a step per measure, then one dataset."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.similarity.intervals.jackknife import LEVEL
from seelike.analysis.similarity.measures import measure
from seelike.storage.arrays import xarray_datasets
from seelike.storage.images import ImageSet
from seelike.storage.store import open_store
from seelike.tasks.comparison.estimators import UNDEFINED, compare_layers
from seelike.tasks.comparison.taps import (
    OpenedModels,
    check_same_images,
    left_out_taps,
    tap_labels,
    varying_taps,
)
from seelike.tasks.comparison.undefined import spread_over_all_taps
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.settings import Statistics
from seelike.tasks.recording.activation_errors import image_named
from seelike.tasks.results import ComparisonResult
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.versions import versions
from seelike.tasks.step_results import SignaturesResult


@task(task_run_name="compare by {name}", cache_policy=NO_CACHE, **RETRIES)
def compare_measure(
    results: Sequence[SignaturesResult],
    images: ImageSet,
    *,
    name: str,
    store: str,
    statistics: Statistics,
) -> str:
    """Compute one measure of every pair of taps of all models, unless the store has it.

    Args:
        results: Signatures of the models, in the study's order.
        images: Their image set.
        name: The measure.
        store: The store's URL.
        statistics: Permutations and memory, and whether constant taps are left out.

    Returns:
        The digest of the result in the store.

    Raises:
        AnalysisError: For taps that are constant over the images, unless they are skipped, for
            models recorded on different images, and for a measure that is defined at no tap.
    """
    opened = open_store(store)
    plans = [one.plan for one in results]
    result = measure_name(plans, name, statistics=statistics)
    if xarray_datasets.exists(opened, result, kind=xarray_datasets.MEASURES):
        return result
    check_same_images([(plan.name, plan.identity) for plan in plans])
    start = time.perf_counter()
    present = varying_taps(opened, plans, skip=statistics.skip_degenerate)
    models = OpenedModels(opened, plans, images, present, statistics, name)
    chosen = measure(name)
    with image_named(images):
        variables = compare_layers(chosen, models)
    undefined = variables.pop(UNDEFINED, {})
    each = tap_labels(plans, present)
    if undefined:
        left = np.array([i for i in range(len(present)) if i not in undefined])
        variables = spread_over_all_taps(variables, left=left, models=each["model"])
    dataset = xr.Dataset(
        variables, attrs={"measure": name, "left_out": left_out_taps(plans, present)}
    )
    dataset.attrs["undefined"] = {
        f"{each['model'][i]}: {each['tap'][i]}": why for i, why in sorted(undefined.items())
    }
    dataset.attrs["permutations"] = statistics.shuffles(chosen)
    dataset.attrs["seconds"] = round(time.perf_counter() - start, 2)
    xarray_datasets.write(opened, result, dataset, kind=xarray_datasets.MEASURES)
    return result


def measure_name(plans: Sequence[ModelPlan], name: str, *, statistics: Statistics) -> str:
    """Return the digest of one measure of all pairs of taps of ``plans``."""
    return xarray_datasets.name(
        {
            "models": [[plan.name, plan.signatures("cka")] for plan in plans],
            "measure": name,
            "families": 1,
            "undefined": 1,
            "interval": ["jackknife", LEVEL],
            **statistics.identity(),
        },
        kind=xarray_datasets.MEASURES,
    )


def comparison_name(
    plans: Sequence[ModelPlan], measures: Sequence[str], *, statistics: Statistics, sweep: bool
) -> str:
    """Return the digest of the comparison of ``plans`` by ``measures``, with or without a sweep."""
    each = [measure_name(plans, name, statistics=statistics) for name in measures]
    # Part of the identity, since the comparison keeps it: another origin gives a new entry.
    origins = {plan.name: plan.facts.get("origin") for plan in plans}
    return xarray_datasets.name({"measures": each, "sweep": sweep, "origins": origins})


@task(task_run_name="join measures", cache_policy=NO_CACHE, **RETRIES)
def join_measures(
    results: Sequence[SignaturesResult],
    *,
    names: dict[str, str],
    swept: str | None,
    store: str,
    study_name: str,
    provenance: dict[str, Any],
    statistics: Statistics,
) -> ComparisonResult:
    """Join the measures into one comparison, over one pair of tap axes, unless the store has it.

    Args:
        results: Signatures of the models, in the study's order.
        names: The digest of each measure, by name.
        swept: The digest of the sweep over batch sizes; None without one.
        store: The store's URL.
        study_name: The study's name.
        provenance: Attributes: images, models and settings.
        statistics: As of the measures.

    Returns:
        The comparison.
    """
    opened = open_store(store)
    plans = [one.plan for one in results]
    name = comparison_name(plans, list(names), statistics=statistics, sweep=swept is not None)
    result = ComparisonResult(store, name, recorded=sum(one.recorded for one in results))
    if xarray_datasets.exists(opened, name):
        return result
    each = {
        m: xarray_datasets.read(opened, n, kind=xarray_datasets.MEASURES) for m, n in names.items()
    }
    variables = {
        variable(m, str(key)): values for m, part in each.items() for key, values in part.items()
    }
    present = varying_taps(opened, plans, skip=statistics.skip_degenerate)
    coordinates: dict[str, Any] = {
        f"{key}_{side}": (f"tap_{side}", values)
        for side in ("a", "b")
        for key, values in tap_labels(plans, present).items()
    }
    if statistics.permutations:
        models = list(dict.fromkeys(coordinates["model_a"][1]))
        coordinates |= {"own_model": models, "other_model": models}
    coordinates["batch_images"] = ("batch", list(plans[0].batch_images))
    dataset = xr.Dataset({key: v.variable for key, v in variables.items()}, coordinates)
    if swept is not None:
        dataset = dataset.merge(
            xarray_datasets.read(opened, swept, kind=xarray_datasets.MEASURES).rename(
                error_mean="sweep_error_mean", error_max="sweep_error_max"
            )
        )
    dataset.attrs |= provenance | {
        "study": study_name,
        "measures": {
            variable(m, "value"): {
                "title": measure(m).title,
                "source": measure(m).source,
                "permutations": each[m].attrs["permutations"],
            }
            for m in names
        },
        "estimator": "minibatch CKA, unbiased HSIC (Song 2012; Nguyen 2021), linear kernel",
        "interval": f"{LEVEL:.0%}, delete-one-batch jackknife over {len(plans[0].bounds)} batches",
        "permutations": statistics.permutations,
        "signatures": {plan.name: plan.signatures("cka") for plan in plans},
        "left_out_taps": left_out_taps(plans, present),
        "undefined": {
            variable(m, "value"): part.attrs["undefined"]
            for m, part in each.items()
            if part.attrs["undefined"]
        },
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(sum(part.attrs["seconds"] for part in each.values()), 2),
        "versions": versions(),
    }
    xarray_datasets.write(opened, name, dataset)
    return result


def variable(name: str, part: str) -> str:
    """Name a variable of a comparison: ``cka``, ``cka_low``, ``cka_parts``."""
    called = name.replace(":", "_")
    return called if part == "value" else f"{called}_{part}"
