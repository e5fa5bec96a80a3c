"""Similarities of models, and a map of their layers, from all pairs of layers."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.cores import cores
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.models import classical_mds, permanova
from seelike.analysis.similarity.models.aggregates import AGGREGATES, aggregate_models
from seelike.analysis.similarity.models.dendrograms import cluster_models, model_distances
from seelike.analysis.similarity.models.umap_embedding import embed_layers
from seelike.analysis.similarity.significance.model_tests import ModelTest
from seelike.storage.arrays import xarray_datasets
from seelike.storage.arrays.signatures import open_signatures
from seelike.storage.store import Store
from seelike.tasks.comparison.permutation_tests import Batches, permutation_tail, signature_batches
from seelike.tasks.comparison.taps import SEED, tap_labels, varying_taps
from seelike.tasks.model_map.factors import FACTORS, levels_of
from seelike.tasks.model_map.layer_similarity import LayerSimilarity, layer_similarity
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import format_bytes
from seelike.tasks.planning.settings import MapDesign
from seelike.tasks.results import MapResult
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.versions import versions
from seelike.tasks.step_results import PairsResult

KIND = xarray_datasets.MAPS
FEWEST = 3
# Per pair of layers, of a worker that shuffles: drawn, in statistics, observed.
BYTES_PER_PAIR = 16
SQUARE = ("aggregate", "model", "other")


@task(task_run_name="map", cache_policy=NO_CACHE, **RETRIES)
def map_models(
    pairs: PairsResult,
    plans: Sequence[ModelPlan],
    *,
    provenance: Mapping[str, Any],
    design: MapDesign,
) -> MapResult:
    """Compute models' similarities, factors that explain them, and a map, unless the store has it.

    Parts that need more models are left out; the attribute ``left_out`` says why.

    Args:
        pairs: CKA of all pairs of layers.
        plans: The models, in the study's order.
        provenance: Attributes: images, models and settings.
        design: Settings of the map.

    Returns:
        The map.

    Raises:
        AnalysisError: For taps that are constant over the images, unless they are skipped.
    """
    store = pairs.opened
    name = map_name(pairs, plans, design)
    if xarray_datasets.exists(store, name, kind=KIND):
        return MapResult(pairs.store, name, pairs)
    start = time.perf_counter()
    dataset = _dataset(pairs, plans, store, provenance=provenance, design=design)
    known = pairs.blocks.group.attrs
    dataset.attrs |= {key: known[key] for key in ("left_out_taps", "estimator")}
    dataset.attrs |= design.identity() | {
        "signatures": {plan.name: plan.signatures("cka") for plan in plans},
        "pairs": pairs.name,
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(time.perf_counter() - start, 2),
        "versions": versions(),
    }
    xarray_datasets.write(store, name, dataset, kind=KIND)
    return MapResult(pairs.store, name, pairs, computed=True)


def map_name(pairs: PairsResult, plans: Sequence[ModelPlan], design: MapDesign) -> str:
    """Return the digest of the map of ``pairs``."""
    return xarray_datasets.name(
        {
            "pairs": pairs.name,
            # Part of the identity, since the map keeps it: another origin gives a new entry.
            "models": [[p.name, p.signatures("cka"), p.facts.get("origin")] for p in plans],
            "aggregates": list(AGGREGATES),
            **design.identity(),
            "factors": list(FACTORS),
            "permanova": [permanova.PERMUTATIONS, permanova.SEED],
            "scaling": [classical_mds.WIDTH, classical_mds.TOLERANCE, classical_mds.SEED],
        },
        kind=KIND,
    )


def _dataset(
    pairs: PairsResult,
    plans: Sequence[ModelPlan],
    store: Store,
    *,
    provenance: Mapping[str, Any],
    design: MapDesign,
) -> xr.Dataset:
    present = varying_taps(store, plans, skip=design.skip_degenerate)
    known = tap_labels(plans, present)
    read = layer_similarity(pairs.blocks, known)
    models, facts = read.layers.models, provenance["models"]
    first = [start for start, _ in read.layers.ranges.values()]
    similarity = aggregate_models(read.rows, read.layers, window=design.window)
    dataset = xr.Dataset(
        {"similarity": (SQUARE, similarity)},
        coords={
            "aggregate": list(AGGREGATES),
            "model": list(models),
            "other": list(models),
            "family": ("model", [str(facts[name]["family"]) for name in models]),
            "trained": ("model", [bool(facts[name]["trained"]) for name in models]),
            "baseline_of": ("model", [str(known["baseline_of"][at]) for at in first]),
            "tap": list(read.taps),
            "tap_model": ("tap", list(read.layers.model)),
            "depth": ("tap", list(read.layers.depth)),
        },
        attrs={**provenance, "left_out": {}},
    )
    if len(models) > 1:
        _cluster(dataset)
        if design.permutations:
            _test(dataset, read, _batches(store, plans, present), design)
    if len(models) < FEWEST:
        why = f"{len(models)} models, expected {FEWEST} or more"
        dataset.attrs["left_out"] |= {"what explains it": why, "map": why}
        return dataset
    _explain(dataset)
    _place(dataset, read, design)
    return dataset


def _cluster(dataset: xr.Dataset) -> None:
    found = [cluster_models(one) for one in dataset["similarity"].values]
    dataset["merges"] = ("aggregate", "merge", "part"), np.stack([one.merges for one in found])
    dataset["order"] = ("aggregate", "leaf"), np.stack([one.order for one in found])
    dataset.attrs["cophenetic"] = [one.cophenetic for one in found]


def _test(dataset: xr.Dataset, read: LayerSimilarity, batches: Batches, design: MapDesign) -> None:
    """Compute the aggregates under shuffles of the images, where they fit into memory."""
    taps = len(read.taps)
    needed = BYTES_PER_PAIR * taps**2 * (1 + cores())
    if needed > design.memory:
        dataset.attrs["left_out"] |= {
            "p values": f"shuffles of {taps} layers hold {format_bytes(needed)}, compute.memory is "
            f"{format_bytes(design.memory)}"
        }
        return
    observed = np.asarray(read.rows(0, taps), np.float64)
    test = ModelTest(
        observed,
        read.layers.model,
        design.permutations,
        SEED,
        depth=read.layers.depth,
        window=design.window,
    )
    null = test.result(permutation_tail(test, batches))
    for name in ("p", "corrected", "critical"):
        dataset[name] = SQUARE, getattr(null, name)
    dataset.attrs["draws"] = null.draws


def _batches(store: Store, plans: Sequence[ModelPlan], present: np.ndarray) -> Batches:
    """Read the signatures of the taps that are compared."""
    kept = [open_signatures(store, plan.signatures("cka")) for plan in plans]
    lengths = np.concatenate([one.lengths() for one in kept]).T
    return signature_batches(kept, lengths, present=present)


def _explain(dataset: xr.Dataset) -> None:
    """Test each factor by itself, for both aggregates; leave out those without a test."""
    names = [str(name) for name in dataset["model"].values]
    rows: dict[str, list[permanova.PermanovaResult]] = {}
    for factor in FACTORS:
        known = levels_of(dataset.attrs["models"], factor)
        own = [name for name in names if name in known]
        places = [names.index(name) for name in own]
        try:
            rows[factor] = [
                permanova.permanova(
                    model_distances(one)[np.ix_(places, places)], [known[name] for name in own]
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
    """Return infinity for no pseudo-F, where models of one level do not differ at all."""
    return np.inf if value is None else value


def _place(dataset: xr.Dataset, read: LayerSimilarity, design: MapDesign) -> None:
    """Place every layer on the map."""
    try:
        found = classical_mds.classical_mds(read.rows, read.layers.depth, step=read.step)
    except AnalysisError as error:
        dataset.attrs["left_out"] |= {"map": str(error).partition(";")[0]}
        return
    places = found.coordinates
    if design.method == "umap":
        places = embed_layers(read.rows, places, memory=design.memory, step=read.step)
    dataset["place"] = ("tap", "axis"), places
    dataset.attrs |= {
        "shares": found.shares.tolist(),
        "negative": list(found.negative),
        "passes": found.passes,
    }
