"""From layers to models, and to a map: all of it from a comparison, into one dataset."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from analysis.errors import AnalysisError
from analysis.similarity import permanova, scaling
from analysis.similarity.aggregates import AGGREGATES, aggregated
from analysis.similarity.dendrograms import clustered, distances_of
from analysis.similarity.model_nulls import ModelNull, ModelTest
from analysis.similarity.neighbour_map import neighbour_map
from storage import comparisons
from storage.signatures import open_signatures
from storage.store import Store, open_store
from tasks.factors import FACTORS, levels
from tasks.layer_rows import LayerSimilarity, layer_similarity
from tasks.nulls import signed, tail_of
from tasks.references import ComparisonReference, MapReference
from tasks.retries import RETRIED
from tasks.versions import versions
from tasks.ways import SEED

KIND = comparisons.MAPS
FEWEST = 3
SQUARE = ("aggregate", "model", "other")


@task(task_run_name="map", cache_policy=NO_CACHE, **RETRIED)
def map_models(
    comparison: ComparisonReference, *, window: float, method: str, memory: int
) -> MapReference:
    """How alike models are, what explains it, and where their layers lie, from ``comparison``.

    ``window`` is how far in depth best matches may be, ``method`` mds or umap, which may hold
    ``memory`` bytes. What can't be had of so few models is left out, and named.
    """
    store = open_store(comparison.store)
    name = map_name(comparison, window=window, method=method)
    reference = MapReference(comparison.store, name, comparison)
    if comparisons.exists(store, name, kind=KIND):
        return reference
    start = time.perf_counter()
    compared = comparison.open()
    dataset = _dataset(compared, store, window=window, method=method, memory=memory)
    dataset.attrs |= {
        "study": compared.attrs["study"],
        "comparison": comparison.name,
        "window": window,
        "method": method,
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(time.perf_counter() - start, 2),
        "versions": versions(),
    }
    comparisons.write(store, name, dataset, kind=KIND)
    return replace(reference, computed=True)


def map_name(comparison: ComparisonReference, *, window: float, method: str) -> str:
    """The digest of what is made of ``comparison``."""
    return comparisons.name(
        {
            "comparison": comparison.name,
            "aggregates": list(AGGREGATES),
            "window": window,
            "method": method,
            "factors": list(FACTORS),
            "permanova": [permanova.PERMUTATIONS, permanova.SEED],
            "scaling": [scaling.WIDTH, scaling.TOLERANCE, scaling.SEED],
        },
        kind=KIND,
    )


def _dataset(
    compared: xr.Dataset, store: Store, *, window: float, method: str, memory: int
) -> xr.Dataset:
    read = layer_similarity(compared)
    models, facts = read.layers.models, compared.attrs["models"]
    first = [start for start, _ in read.layers.ranges.values()]
    similarity = aggregated(read.rows, read.layers, window=window)
    dataset = xr.Dataset(
        {"similarity": (SQUARE, similarity)},
        coords={
            "aggregate": list(AGGREGATES),
            "model": list(models),
            "other": list(models),
            "family": ("model", [str(facts[name]["family"]) for name in models]),
            "trained": ("model", [bool(facts[name]["trained"]) for name in models]),
            "baseline_of": ("model", [str(compared["baseline_of_a"].values[at]) for at in first]),
            "tap": list(read.taps),
            "tap_model": ("tap", list(read.layers.model)),
            "depth": ("tap", list(read.layers.depth)),
        },
        attrs={key: compared.attrs[key] for key in ("images", "batch", "taps", "models")},
    )
    dataset.attrs["left_out"] = {}
    if len(models) > 1:
        _cluster(dataset)
        if compared.attrs["permutations"]:
            _test(dataset, _null(compared, read, store, window=window))
    if len(models) < FEWEST:
        why = f"{len(models)} models, expected {FEWEST} or more"
        dataset.attrs["left_out"] |= {"what explains it": why, "map": why}
        return dataset
    _explain(dataset)
    _place(dataset, read, method=method, memory=memory)
    return dataset


def _cluster(dataset: xr.Dataset) -> None:
    found = [clustered(one) for one in dataset["similarity"].values]
    dataset["merges"] = ("aggregate", "merge", "part"), np.stack([one.merges for one in found])
    dataset["order"] = ("aggregate", "leaf"), np.stack([one.order for one in found])
    dataset.attrs["cophenetic"] = [one.cophenetic for one in found]


def _test(dataset: xr.Dataset, null: ModelNull) -> None:
    for name in ("p", "corrected", "critical"):
        dataset[name] = SQUARE, getattr(null, name)
    dataset.attrs["draws"] = null.draws


def _null(compared: xr.Dataset, read: LayerSimilarity, store: Store, *, window: float) -> ModelNull:
    """The aggregates under the shuffles that tested the comparison."""
    digests: dict[str, str] = compared.attrs["signatures"]
    kept = [open_signatures(store, digests[model]) for model in read.layers.models]
    there = set(zip(read.layers.model, read.taps, strict=True))
    every = [
        (model, tap)
        for model, one in zip(read.layers.models, kept, strict=True)
        for tap in one.taps
    ]
    present = np.array([place for place, tap in enumerate(every) if tap in there])
    test = ModelTest(
        np.asarray(read.rows(0, len(read.taps)), np.float64),
        read.layers.model,
        compared.attrs["permutations"],
        SEED,
        depth=read.layers.depth,
        window=window,
    )
    lengths = np.concatenate([one.lengths() for one in kept]).T
    return test.result(tail_of(test, signed(kept, lengths, present=present)))


def _explain(dataset: xr.Dataset) -> None:
    """Each factor by itself, for both aggregates; those that can't be tested are left out."""
    names = [str(name) for name in dataset["model"].values]
    rows: dict[str, list[permanova.Explained]] = {}
    for factor in FACTORS:
        known = levels(dataset.attrs["models"], factor)
        own = [name for name in names if name in known]
        places = [names.index(name) for name in own]
        try:
            rows[factor] = [
                permanova.permanova(
                    distances_of(one)[np.ix_(places, places)], [known[name] for name in own]
                )
                for one in dataset["similarity"].values
            ]
        except AnalysisError as error:
            dataset.attrs["left_out"] |= {factor: str(error).partition(";")[0]}
    if not rows:
        return
    dataset.coords["factor"] = list(rows)
    for name in ("share", "p", "f", "models", "levels", "permutations", "exact"):
        each = [[_number(getattr(one, name)) for one in found] for found in rows.values()]
        dataset[f"factor_{name}"] = ("factor", "aggregate"), np.array(each)


def _number(value: Any) -> Any:
    """A pseudo-F that is none, since models of one level do not differ, is beyond all bounds."""
    return np.inf if value is None else value


def _place(dataset: xr.Dataset, read: LayerSimilarity, *, method: str, memory: int) -> None:
    """Where every layer lies on the map."""
    try:
        found = scaling.scaled(read.rows, read.layers.depth, step=read.step)
    except AnalysisError as error:
        dataset.attrs["left_out"] |= {"map": str(error).partition(";")[0]}
        return
    places = found.coordinates
    if method == "umap":
        places = neighbour_map(read.rows, places, memory=memory, step=read.step)
    dataset["place"] = ("tap", "axis"), places
    dataset.attrs |= {
        "shares": found.shares.tolist(),
        "negative": list(found.negative),
        "passes": found.passes,
    }
