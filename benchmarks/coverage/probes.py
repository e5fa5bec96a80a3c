"""Coverage of the claims' numbers on probes: test images and draws of training images vary."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.coverage import populations
from benchmarks.coverage.inside import Draw, Population, result
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.experiments.probes import depth_cases, token_cases
from seelike.analysis.networks import record, taps
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.probing import Outcome, Probing, accuracies, axes, probe, split, with_cells
from seelike.storage.images import ImageSet

# Draws of which data sets have five; half of the images are for testing.
DRAWS, FIVE = 40, 5
NETWORKS: dict[str, dict[str, Any]] = {
    "vit": {"pooling": "CLS"},
    "vit-gap": {"pooling": "GAP"},
    "vit-10-percent": {"pooling": "CLS", "fraction": 0.1},
    "resnet": {},
}
MEMORY = 2 * 10**9


@dataclass(frozen=True)
class Probed:
    """All probes of one network: coordinates, and hits (probe, draws, test images)."""

    coordinates: xr.Dataset
    hits: np.ndarray


def probes(population: ImageSet) -> Population:
    """E10 and E12 of shipped networks."""
    assert population.labels is not None
    design = Probing(shots=(10,), draws=DRAWS, full=False, tokens="last", test=0.5)
    of = split(population.labels, design)
    every = {zoo: _probed(zoo, population, design) for zoo in NETWORKS}
    places = np.random.default_rng(1)

    def cases(draw: Draw | None) -> list[Case]:
        # The same draws of training images for all networks, as in a study; with repeats, as
        # five of 40 without would differ less than draws of any training images.
        draws = np.arange(DRAWS) if draw is None else places.integers(DRAWS, size=FIVE)
        images = np.arange(len(of.test)) if draw is None else draw.reshape(-1)
        each = []
        for zoo, known in NETWORKS.items():
            dataset = every[zoo].coordinates.copy()
            hits = every[zoo].hits[:, draws[:, None], images]
            accuracies(list(hits)).enter(dataset, "accuracy", "probe")
            each.append(result(zoo, zoo.split("-")[0], dataset, **known))
        return [*token_cases(each), *depth_cases(each)]

    return Population(len(of.test), 16, cases)


def _probed(zoo: str, population: ImageSet, design: Probing) -> Probed:
    assert population.labels is not None
    network = populations.network(zoo)
    chosen: Sequence[Tap] = taps(network, "blocks")
    found: dict[str, list[np.ndarray]] = {tap.name: [] for tap in chosen}
    for made in record(network, chosen, populations.passes(network, population)):
        for name, x in made.items():
            found[name].append(x)
    of, every = (
        split(population.labels, design),
        with_cells(
            {
                tap.name: axes(
                    tap.layout.kind,
                    tap.shape,
                    prefix=tap.layout.prefix,
                    class_token=tap.layout.class_token,
                    aspect=1.0,
                )
                for tap in chosen
            }
        ),
    )
    outcomes: list[tuple[str, Outcome]] = []
    for tap in chosen:
        blocks = partial(_blocks, np.concatenate(found.pop(tap.name)))
        tokens = tap is chosen[-1]
        tested = probe(blocks, every[tap.name], of, design, tokens=tokens, memory=MEMORY)
        outcomes += [(tap.name, one) for one in tested]
    columns = {
        "tap": [tap for tap, _ in outcomes],
        "feature": [one.feature for _, one in outcomes],
        "shots": [one.shots for _, one in outcomes],
    }
    dataset = xr.Dataset(
        coords={name: ("probe", values) for name, values in columns.items()},
        attrs={"images": {"source": "sample"}},
    )
    return Probed(dataset, np.stack([one.hits for _, one in outcomes]))


def _blocks(x: np.ndarray) -> list[tuple[int, np.ndarray]]:
    return [(0, x)]
