"""A map as the engine makes it: networks of three families, whose layers lie in the plane."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.spatial.distance import cdist

from seelike.analysis.similarity.models import permanova
from seelike.analysis.similarity.models.aggregates import AGGREGATES, aggregate_models
from seelike.analysis.similarity.models.classical_mds import classical_mds
from seelike.analysis.similarity.models.dendrograms import cluster_models, model_distances
from seelike.analysis.similarity.models.layers import Layers

LAYERS = 5
FAMILIES = ("vit", "resnet", "mixer")


def make_map(models: Sequence[str] = ("vit a", "resnet a", "vit b", "mixer a")) -> xr.Dataset:
    """Models are named by family; ``NAME untrained`` is the untrained twin of ``NAME``."""
    depth = np.linspace(0, 1, LAYERS)
    points = []
    for place, name in enumerate(models):
        turn = 0.5 * FAMILIES.index(name.split()[0]) + 0.02 * place
        reach = 0.3 if name.endswith("untrained") else 1.0
        points.append(reach * depth[:, None] * [np.cos(turn), np.sin(turn)] + 0.01 * place)
    similarity = np.cos(cdist(np.concatenate(points), np.concatenate(points)))
    own = [name for name in models for _ in range(LAYERS)]
    layers = Layers(own, np.tile(depth, len(models)))
    found = classical_mds(lambda start, stop: similarity[start:stop], layers.depth)
    matrices = aggregate_models(lambda start, stop: similarity[start:stop], layers, window=0.25)
    trees = [cluster_models(one) for one in matrices]
    families = [name.split()[0] for name in models]
    dataset = xr.Dataset(
        {
            "similarity": (("aggregate", "model", "other"), matrices),
            "merges": (("aggregate", "merge", "part"), np.stack([t.merges for t in trees])),
            "order": (("aggregate", "leaf"), np.stack([t.order for t in trees])),
            "place": (("tap", "axis"), found.coordinates),
        },
        coords={
            "aggregate": list(AGGREGATES),
            "model": list(models),
            "other": list(models),
            "family": ("model", families),
            "trained": ("model", [not name.endswith("untrained") for name in models]),
            "baseline_of": (
                "model",
                [n.removesuffix(" untrained") if n.endswith("untrained") else "" for n in models],
            ),
            "tap": [f"blocks.{i}" for _ in models for i in range(LAYERS)],
            "tap_model": ("tap", own),
            "depth": ("tap", np.tile(depth, len(models))),
        },
        attrs={"method": "mds", "shares": found.shares.tolist(), "negative": [0.0, 0.0]},
    )
    if len(set(families)) < len(models) and len(set(families)) > 1:
        each = [permanova.permanova(model_distances(one), families) for one in matrices]
        dataset.coords["factor"] = ["architecture"]
        for name in ("share", "p"):
            values = [[getattr(one, name) for one in each]]
            dataset[f"factor_{name}"] = ("factor", "aggregate"), values
    return dataset
