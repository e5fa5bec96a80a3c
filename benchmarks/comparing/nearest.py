"""Nearest layers by sketches and by an index, beside exact ones by signatures."""

import math
import tempfile
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.comparing import many_taps
from benchmarks.harness import markdown, product
from benchmarks.harness.clock import interleaved, spread
from benchmarks.harness.item import Goal, Item, Result
from benchmarks.harness.networks import TOY_RESNET, TOY_VIT
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.similarity import cka_from_hsic
from seelike.analysis.similarity.nearest.nearest import largest_places, nearest
from seelike.analysis.similarity.nearest.sketches import Projection, combine_batches, sketch_batch
from seelike.storage.arrays.signatures import Signatures, open_signatures
from seelike.storage.images import ImageSet
from seelike.storage.networks import zoo
from seelike.storage.store import Store
from seelike.tasks.comparison.signature_products import products, shares
from seelike.tasks.nearest.by_signatures import by_signatures
from seelike.tasks.planning.image_sources import open_images
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.survey import survey
from seelike.tasks.recording.record import record_shard

FULL_SIZE: dict[str, Any] = {
    "count": 1024,
    "batch": 128,
    "dimensions": [1024, 2048, 4096],
    "seeds": 16,
    "repeats": 5,
}
TOY_SIZE: dict[str, Any] = {
    "count": 40,
    "batch": 20,
    "dimensions": [64],
    "seeds": 3,
    "repeats": 1,
}
TOYS: dict[str, dict[str, Any]] = {"toy ViT": TOY_VIT, "toy ResNet": TOY_RESNET}
COUNT = 10
# An error beyond the bar, which bounds it, by as much as so few draws of the map may show.
MOST_ERROR = 1.1
LEAST_RECALL = 0.9


def measure(*, quick: bool, device: str) -> Result:
    """Recall and error on networks of the zoo; time and bytes there and at very many taps."""
    size = TOY_SIZE if quick else FULL_SIZE
    images = open_images("sample", count=size["count"])
    models = TOYS if quick else {name: {"zoo": name} for name in zoo.members()}
    with tempfile.TemporaryDirectory() as folder:
        store = product.temporary_store(folder)
        plans = [
            _recorded(name, spec, images, size, store, device) for name, spec in models.items()
        ]
        kept = [open_signatures(store, plan.signatures("cka")) for plan in plans]
        cka = cka_from_hsic(shares(*products(kept)))
        found = {
            str(dimension): _of_dimension(kept, cka, dimension, seeds=size["seeds"])
            for dimension in size["dimensions"]
        }
        largest = Projection(size["dimensions"][0])
        rows = _sketches(kept, largest)
        layer = f"{plans[0].name}:{plans[0].taps[0].name}"
        runs = interleaved(
            {
                "signatures": partial(by_signatures, store, layer, count=COUNT),
                "sketches": partial(nearest, rows[0], [rows], count=COUNT),
            },
            repeats=size["repeats"],
        )
    return {
        **size,
        "networks": len(plans),
        "taps": len(cka),
        "signature_bytes": _signature_bytes(kept[0]),
        "of_dimension": found,
        "seconds": {name: spread(run.seconds for run in each) for name, each in runs.items()},
        "many": many_taps.measure(quick=quick),
    }


def _recorded(
    name: str,
    spec: dict[str, Any],
    images: ImageSet,
    size: dict[str, Any],
    store: Store,
    device: str,
) -> ModelPlan:
    subject = StudyModel(ModelSpec(name, **spec), ("paper",), trained="zoo" in spec)
    plan = survey.fn(
        subject, images=images.digest, count=len(images), batch=size["batch"], reduction="flatten"
    )
    record_shard.fn(
        plan,
        images,
        store=store.url,
        keep="signatures",
        number=0,
        shard=range(len(plan.bounds)),
        device=device,
        forward_batch=size["batch"],
    )
    return plan


def _of_dimension(
    kept: Sequence[Signatures], cka: np.ndarray, dimension: int, *, seeds: int
) -> dict[str, Any]:
    """Recall at ``COUNT`` and errors of all pairs, over several draws of the map."""
    pairs = np.triu_indices(len(cka), k=1)
    exact = cka[pairs]
    # Pairs that are alike to the last digit have no bar to be measured by.
    bars = (1 - exact) * math.sqrt(2 / dimension)
    wide = bars > 1e-4
    errors, recalls = [], []
    for seed in range(seeds):
        rows = _sketches(kept, Projection(dimension, seed))
        estimated = _matrix(rows)
        errors.append(estimated[pairs] - exact)
        recalls.append(_recall(cka, estimated))
    apart = np.stack(errors)
    return {
        "bytes": 4 * dimension,
        "recall": float(np.mean(recalls)),
        "lost": float(np.mean([_lost(cka, _matrix(_sketches(kept, Projection(dimension))))])),
        "mean_error": float(np.abs(apart).mean()),
        "largest_error": float(np.abs(apart).max()),
        "bias": float(apart.mean()),
        "bias_bar": float(apart.mean(axis=1).std(ddof=1) / math.sqrt(seeds)),
        "error_to_bar": float(np.sqrt(np.mean((apart[:, wide] / bars[wide]) ** 2))),
    }


def _sketches(kept: Sequence[Signatures], projection: Projection) -> np.ndarray:
    """The sketches (T, d) of all taps of all models."""
    rows = []
    for one in kept:
        parts = []
        for batch, (start, stop) in enumerate(one.bounds):
            images = stop - start
            directions = one.read(batch)[0][:, : images * (images - 1) // 2]
            parts.append(sketch_batch(directions, batch=batch, projection=projection))
        rows.append(combine_batches(parts, one.lengths().T))
    return np.concatenate(rows)


def _matrix(rows: np.ndarray) -> np.ndarray:
    """CKA of all pairs by their sketches, in float64."""
    wide = rows.astype(np.float64)
    energies = np.einsum("td,td->t", wide, wide)
    return np.asarray(1 - (energies + energies[:, None] - 2 * wide @ wide.T) / 2)


def _nearest(matrix: np.ndarray) -> list[np.ndarray]:
    alone = matrix - 9 * np.eye(len(matrix))
    return [largest_places(row, COUNT) for row in alone]


def _recall(exact: np.ndarray, estimated: np.ndarray) -> float:
    """The share of each tap's nearest by signatures that are nearest by sketches too."""
    both = zip(_nearest(exact), _nearest(estimated), strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in both]))


def _lost(exact: np.ndarray, estimated: np.ndarray) -> float:
    """Mean loss of CKA of the nearest by sketches against the nearest."""
    both = zip(exact, _nearest(exact), _nearest(estimated), strict=True)
    return float(np.mean([row[a].mean() - row[b].mean() for row, a, b in both]))


def _signature_bytes(one: Signatures) -> int:
    return 4 * one.pairs * len(one.bounds)


def goals(result: Result) -> list[Goal]:
    """Errors as the formula says; layers found, and found soon, among very many."""
    found = result["of_dimension"]
    worst = max(each["error_to_bar"] for each in found.values())
    recall = min(each["recall"] for each in found.values())
    return [
        Goal(
            "error of CKA by sketches over what its formula bounds",
            f"<= {markdown.times(MOST_ERROR)}",
            markdown.times(worst),
            worst <= MOST_ERROR,
        ),
        Goal(
            f"recall at {COUNT} of sketches on the zoo",
            f">= {markdown.percent(LEAST_RECALL)}",
            markdown.percent(recall),
            recall >= LEAST_RECALL,
        ),
        *many_taps.goals(result["many"]),
    ]


def section(result: Result) -> str:
    """Error and recall on the zoo, then time and bytes at very many taps."""
    rows = [
        (
            dimension,
            f"{each['bytes']}",
            markdown.percent(each["recall"]),
            f"{each['lost']:.5f}",
            f"{each['mean_error']:.4f}",
            f"{each['largest_error']:.4f}",
            f"{each['bias']:+.5f} ± {each['bias_bar']:.5f}",
            markdown.times(each["error_to_bar"]),
        )
        for dimension, each in result["of_dimension"].items()
    ]
    seconds = result["seconds"]
    header = (
        "numbers",
        "bytes per tap",
        f"recall at {COUNT}",
        "CKA lost",
        "mean error",
        "largest",
        "bias",
        "error / bar",
    )
    return "\n\n".join(
        (
            f"{result['networks']} networks of the zoo, {result['taps']} taps, {result['count']} "
            f"images in batches of {result['batch']}, {result['seeds']} draws of the map. A "
            f"signature has {result['signature_bytes']} bytes per tap. The bar is the formula's: "
            "(1 - CKA) sqrt(2 / numbers), a bound on the standard error. What is lost is the mean "
            f"CKA of the {COUNT} nearest by signatures over that of those found.",
            markdown.table(header, rows),
            f"One query over these taps: {markdown.seconds(seconds['signatures'])} s by signatures "
            f"from disk, with intervals; {markdown.seconds(seconds['sketches'])} s by sketches in "
            "memory.",
            many_taps.section(result["many"]),
        )
    )


ITEM = Item("nearest", "Nearest layers: sketches and an index", measure, goals, section)
