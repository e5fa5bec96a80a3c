"""The sanity check as Kornblith et al. set it up: all test images at once, no batches."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from benchmarks.harness.item import Goal, Item, Result
from benchmarks.harness.markdown import table
from benchmarks.statistics.sanity import SEEDS
from seelike.analysis.cores import cores
from seelike.analysis.networks import record, taps
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.networks.transforms import transform
from seelike.analysis.similarity.exact import exact
from seelike.analysis.similarity.exact.image_blocks import layout
from seelike.analysis.similarity.intervals.ceilings import matched_share
from seelike.storage.arrays.batches import batches
from seelike.storage.datasets import fashion_mnist
from seelike.storage.images import from_sample
from seelike.tasks.comparison.exact import on_threads
from seelike.tasks.planning.plans import StudyModel
from seelike.tasks.planning.survey import network_of
from seelike.tasks.runtime.threads import one_blas_thread

T = TypeVar("T")
Arrays = dict[str, np.ndarray]

# Images by reduction: flattened, twice as many would take four times as long.
FULL = {"mean": 10_000, "flatten": 5_000}
TOY = {"mean": 64}
BATCH, NEIGHBOURS, MEMORY = 256, 10, 3 * 10**9
# Layers that share no stage, or are two blocks apart, by the end of their name.
APART = {
    "ViT": ("patch_embed", "blocks.1", "blocks.3", "blocks.5", "blocks.7"),
    "ResNet": ("layer1.1", "layer2.1", "layer3.1", "layer4.1"),
}
EXACT, KNN = "CKA over all images", f"mutual {NEIGHBOURS} nearest neighbours"


def measure(*, quick: bool, device: str) -> Result:
    """Shares of matched layers for every reduction, architecture, choice of layers, measure."""
    del device  # Small networks; the sums over images are NumPy's.
    pictures = _pictures()
    return {
        reduction: {
            "images": min(count, len(pictures)),
            "families": {
                family: _both_seeds(family, seeds, pictures[:count], reduction)
                for family, seeds in SEEDS.items()
            },
        }
        for reduction, count in (TOY if quick else FULL).items()
    }


def _pictures() -> np.ndarray:
    """Fashion-MNIST's test images where they are installed, else the shipped sample of them."""
    folder = fashion_mnist.find_folder(Path("downloads"))
    if folder is not None:
        return fashion_mnist.read(folder, "test")[0]
    sample = from_sample()
    return np.stack([np.asarray(sample.read(i)) for i in range(len(sample))])


def _both_seeds(
    family: str, seeds: Sequence[str], pictures: np.ndarray, reduction: str
) -> dict[str, Any]:
    activations = [_activations(name, pictures, reduction) for name in seeds]
    names = list(activations[0])
    cka = _exact([x for one in activations for x in one.values()])
    count = len(names)
    found = {EXACT: cka[:count, count:], KNN: _shared_neighbours(*activations)}
    some = [i for i, name in enumerate(names) if name in APART[family]]
    return {
        "layers": names,
        "shares": {
            measure: [matched_share(across), matched_share(across[np.ix_(some, some)])]
            for measure, across in found.items()
        },
        "apart": [names[i] for i in some],
        # Why layers are hard to tell apart: the next layer of the same network is as alike.
        "next": float(np.mean([cka[i, j] for i, j in pairwise(range(count))])),
        "same": float(np.mean([cka[i, count + i] for i in range(count)])),
    }


def _activations(name: str, pictures: np.ndarray, reduction: str) -> Arrays:
    """Activations (n, p) float32 of a shipped network at its blocks."""
    network = network_of(StudyModel(ModelSpec(name, zoo=name), ("blocks",), trained=True))
    prepared = transform(network)
    chosen = taps(network, "blocks")

    def pieces(bounds: tuple[int, int]) -> torch.Tensor:
        return torch.stack([prepared(Image.fromarray(one)) for one in pictures[slice(*bounds)]])

    bounds = batches(len(pictures), BATCH)
    made: dict[str, list[np.ndarray]] = {tap.name: [] for tap in chosen}
    for batch in record(network, chosen, map(pieces, bounds), reduction=reduction):
        for tap, values in batch.items():
            made[tap].append(values.reshape(len(values), -1))
    return {tap: np.concatenate(parts) for tap, parts in made.items()}


def _exact(every: Sequence[np.ndarray]) -> np.ndarray:
    """CKA (T, T), unbiased HSIC over all images at once."""
    of = layout(batches(len(every[0]), BATCH), [x.shape[1] for x in every], workers=cores())
    plan = exact.plan(of, memory=MEMORY)

    def run(steps: Sequence[Callable[[], T]]) -> list[T]:
        return on_threads(steps, workers=plan.workers)

    with one_blas_thread():
        sums = plan.sums(lambda tap, block: every[tap][of.images_of(block)].copy(), run)
    return exact.estimate(sums, estimator="debiased")[0]


def _shared_neighbours(one: Arrays, other: Arrays) -> np.ndarray:
    """Mutual nearest neighbours (T, T) of the layers of two networks, over all images."""
    left, right = ([_neighbours(x) for x in side.values()] for side in (one, other))
    return np.array([[_shared(a, b) for b in right] for a in left])


def _neighbours(x: np.ndarray) -> np.ndarray:
    """The nearest images of every image (n, NEIGHBOURS), by the cosine of uncentred features."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    found = []
    for start in range(0, len(unit), BATCH):
        cosines = unit[start : start + BATCH] @ unit.T
        np.fill_diagonal(cosines[:, start:], -np.inf)
        found.append(np.argpartition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:])
    return np.concatenate(found)


def _shared(a: np.ndarray, b: np.ndarray) -> float:
    """The mean share of neighbours in common."""
    return float((a[:, :, None] == b[:, None, :]).any(axis=2).mean())


def goals(result: Result) -> list[Goal]:
    """Linear CKA over all images above mutual nearest neighbours, on average."""
    return [_goal(reduction, found) for reduction, found in result.items()]


def _goal(reduction: str, found: Result) -> Goal:
    cka, knn = (
        float(np.mean([both["shares"][name][0] for both in found["families"].values()]))
        for name in (EXACT, KNN)
    )
    return Goal(
        f"the same with {found['images']} images at once, reduction {reduction}, against mutual "
        f"{NEIGHBOURS} nearest neighbours",
        "clearly higher (by 5 points)",
        f"{cka:.0%} against {knn:.0%}",
        cka >= knn + 0.05,
    )


def section(result: Result) -> str:
    """Shares, and how alike neighbouring layers are."""
    families = list(SEEDS)
    first = next(iter(result.values()))["families"]
    kept = [f"{', '.join(f'`{name}`' for name in first[f]['apart'])} of the {f}" for f in families]
    about = (
        "The check above has 2 048 images in batches; Kornblith et al. compare all test images at "
        "once. Here are Fashion-MNIST's test images, debiased CKA over all of them, and mutual "
        "nearest neighbours among all of them. `apart` leaves out layers that carry almost what "
        f"their neighbour carries, and has {' and '.join(kept)}."
    )
    rows = [
        (
            f"{reduction}, {found['images']} images, {layers}",
            name,
            *(f"{found['families'][family]['shares'][name][column]:.0%}" for family in families),
        )
        for reduction, found in result.items()
        for column, layers in enumerate(("all blocks", "apart"))
        for name in (EXACT, KNN)
    ]
    alike = [
        (
            reduction,
            *(
                f"{found['families'][family][what]:.3f}"
                for family in families
                for what in ("next", "same")
            ),
        )
        for reduction, found in result.items()
    ]
    columns = [f"{f}: {w}" for f in families for w in ("next layer", "same layer, other seed")]
    return "\n\n".join(
        (
            about,
            table(("reduction, images, layers", "measure", *families), rows),
            "Mean CKA of a layer with the next layer of its network, and with the same layer of "
            "the other seed:",
            table(("reduction", *columns), alike),
            _finding(result),
        )
    )


def _finding(result: Result) -> str:
    """The reason in words, as the numbers show it."""
    won = all(goal.met for goal in goals(result))
    closer = [
        (reduction, family)
        for reduction, found in result.items()
        for family, both in found["families"].items()
        if both["next"] >= both["same"]
    ]
    first = (
        (
            "With all images at once CKA wins clearly: it was the batches. "
            if won
            else "More images at once alone do not make CKA win clearly. "
        )
        + "Over both architectures CKA matches "
        + "; ".join(_gaps(result))
        + "."
    )
    if not closer:
        return first
    named = ", ".join(f"{family} ({reduction})" for reduction, family in closer)
    return (
        f"{first} In {named} a layer is as alike to the next layer of its own network as to the "
        "same layer of the other seed, or more: residual streams change little from block to "
        "block; the plain CNNs of Kornblith et al. have no skips."
    )


def _gaps(result: Result) -> Iterator[str]:
    """Mean shares of both measures for every reduction and choice of layers, in words."""
    for reduction, found in result.items():
        for column, layers in enumerate(("all blocks", "layers apart")):
            cka, knn = (
                np.mean([both["shares"][name][column] for both in found["families"].values()])
                for name in (EXACT, KNN)
            )
            yield f"{cka:.0%} of {layers} ({reduction}), mutual neighbours {knn:.0%}"


TITLE = "Kornblith's sanity check, all images at once"
ITEM = Item("sanity_at_once", TITLE, measure=measure, goals=goals, section=section)
