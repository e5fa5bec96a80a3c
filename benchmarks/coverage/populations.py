"""Finite populations of images whose true numbers are known, and data sets drawn from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from seelike.analysis.claims.findings import ComparedModels
from seelike.analysis.networks import ModelSpec, record, taps
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.signature import Float32, packed
from seelike.storage.images import ImageSet
from seelike.tasks.planning.image_sources import open_images
from seelike.tasks.planning.plans import StudyModel
from seelike.tasks.planning.survey import network_of
from seelike.tasks.recording.image_loader import forward_batches

# Images per pass while a population is recorded.
PASS = 64


@dataclass(frozen=True)
class Samples:
    """Images of a data set drawn from a population: (batches, images per batch)."""

    places: np.ndarray

    @classmethod
    def of(
        cls, rng: np.random.Generator, population: int, *, batches: int, batch: int
    ) -> "Samples":
        """Batches drawn one by one, each without repeats: their HSICs are unbiased."""
        each = [rng.choice(population, batch, replace=False) for _ in range(batches)]
        return cls(np.stack(each))


def network(zoo: str, *, trained: bool = True) -> Network:
    """A shipped network, or the same before its training."""
    return network_of(StudyModel(ModelSpec(name=zoo, zoo=zoo), ("blocks",), trained=trained))


def images(count: int) -> ImageSet:
    """The first of the shipped images."""
    return open_images("sample", count=count)


def passes(of: Network, population: ImageSet) -> list[Tensor]:
    """The population as a network takes it, batch by batch."""
    count = len(population)
    pieces = [range(i, min(i + PASS, count)) for i in range(0, count, PASS)]
    return list(forward_batches(of, population, pieces))


def grams(of: Network, patterns: str | Sequence[str], population: ImageSet) -> dict[str, Float32]:
    """The centred Gram (n, n) float32 of every tap over the whole population."""
    chosen: Sequence[Tap] = taps(of, patterns)
    parts: dict[str, list[np.ndarray]] = {tap.name: [] for tap in chosen}
    for made in record(of, chosen, passes(of, population)):
        for name, x in made.items():
            parts[name].append(x.reshape(len(x), -1))
    return {name: centred_gram(np.concatenate(parts.pop(name))) for name in list(parts)}


def centred_gram(x: np.ndarray) -> Float32:
    """The Gram (n, n), in float32: the truth and all data sets are of the same one."""
    apart = (x - x.mean(axis=0)).astype(np.float32)
    return np.asarray(apart @ apart.T)


def parts(stacked: Float32, samples: Samples) -> Array:
    """HSICs (batches, T, T) of the batches of a data set, from Grams of all images (n, n, T).

    A Gram of some images is a part of the Gram of all: HSIC does not depend on their centring.
    """
    found = []
    for places in samples.places:
        signed = signatures(stacked, places)
        found.append(signed.T @ signed)
    return np.stack(found).astype(np.float64)


def signatures(stacked: Float32, places: np.ndarray) -> Float32:
    """``packed`` of the Grams of some images, (pairs, T), from those of all (n, n, T)."""
    kernels = stacked[places[:, None], places]
    n = len(kernels)
    kernels[range(n), range(n)] = 0
    rows = kernels.sum(axis=1)
    kernels -= (rows[:, None] + rows) / (n - 2)
    kernels += rows.sum(axis=0) / ((n - 1) * (n - 2))
    upper = kernels[np.triu_indices(n, 1)]
    return np.asarray(upper * np.float32(np.sqrt(2 / (n * (n - 3)))))


def true_parts(each: Sequence[Float32]) -> Array:
    """The HSICs (1, T, T) of the whole population, which those of batches are on average."""
    whole = np.stack([packed(one.astype(np.float64)).astype(np.float32) for one in each])
    return np.asarray(whole @ whole.T, np.float64)[None]


def measured(
    hsic: Array,
    models: Mapping[str, tuple[Mapping[str, Any], Sequence[str]]],
    *,
    baselines: Mapping[str, str],
    batch: int,
) -> ComparedModels:
    """HSICs as claims take them; ``models`` have facts and taps, in the order of the Grams."""
    own = {name: facts for name, (facts, _) in models.items() if name not in baselines.values()}
    return ComparedModels(
        parts=hsic,
        model=[name for name, (_, taps_) in models.items() for _ in taps_],
        families={name: str(facts["family"]) for name, facts in own.items()},
        baselines=baselines,
        tap=[tap for _, taps_ in models.values() for tap in taps_],
        facts=own,
        images=[batch] * len(hsic),
    )
