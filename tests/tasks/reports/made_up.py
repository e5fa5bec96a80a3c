"""A comparison of made-up networks that differ in one thing only, as the engine makes it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from seelike.analysis.similarity import cell_interval, cka_from_hsic, signature

IMAGES, BATCH, WIDTH = 96, 16, 60
TAPS = ("patch_embed", *(f"blocks.{i}" for i in range(8)))


def chain(seed: int, *, broken: int | None = None, novelty: float = 0.35) -> list[np.ndarray]:
    """Activations of a network's taps: each keeps most of the one before, save where broken."""
    pixels = np.random.default_rng(0).normal(size=(IMAGES, WIDTH))
    drawn = np.random.default_rng(seed)
    layers = [pixels @ drawn.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH)]
    for block in range(8):
        new = np.tanh(layers[-1] @ drawn.normal(size=(WIDTH, WIDTH)))
        fresh = drawn.normal(size=new.shape)
        kept = 0.0 if block == broken else 1.0
        layers.append(kept * layers[-1] + novelty * new + (1 - kept) * 2 * fresh)
    return layers


def towards(layers: Sequence[np.ndarray], *, seed: int, share: float) -> list[np.ndarray]:
    """The same network with noise that grows with depth, up to ``share``."""
    drawn = np.random.default_rng(seed)
    return [
        layer + share * i * layer.std() * drawn.normal(size=layer.shape)
        for i, layer in enumerate(layers)
    ]


def facts(
    *,
    family: str = "vit",
    correct: int | None = 900,
    skip_free: int | None = None,
    trained: bool = True,
    **origin: Any,
) -> dict[str, Any]:
    """What a survey finds of such a network."""
    arguments = {} if skip_free is None else {"skip_free": skip_free}
    own: dict[str, Any] = {
        "family": family,
        "trained": trained,
        "pooling": "CLS",
        "skip_free": skip_free,
        "built": {"from": family, "arguments": arguments},
        "architecture": family,
        "parameters": 1000,
        "input": [1, 28, 28],
        "weights": "0" * 64,
    }
    if trained:
        nothing = {"data": "images", "fraction": 1.0, "start": None, "seed": 0}
        own["origin"] = nothing | origin
        if correct is not None:
            own["test"] = {"correct": correct, "total": 1000, "accuracy": correct / 1000}
    return own


def compared(
    models: dict[str, tuple[dict[str, Any], list[np.ndarray]]], *, taps: Sequence[str] = TAPS
) -> xr.Dataset:
    """The comparison of ``models``; ``X untrained`` is the untrained baseline of ``X``."""
    rows = [(name, tap) for name in models for tap in taps]
    layers = [layer for _, each in models.values() for layer in each]
    batches = [slice(i, i + BATCH) for i in range(0, IMAGES, BATCH)]
    signed = [np.stack([signature(layer[batch]) for layer in layers]) for batch in batches]
    total = np.sqrt(sum((each**2).sum(axis=1) for each in signed))
    parts = np.stack([each @ each.T for each in signed]) / total / total[:, None]
    interval = cell_interval(parts)
    assert interval is not None
    dims = ("tap_a", "tap_b")
    columns = {
        "model": [name for name, _ in rows],
        "tap": [tap for _, tap in rows],
        "depth": [taps.index(tap) / (len(taps) - 1) for _, tap in rows],
        "trained": [models[name][0]["trained"] for name, _ in rows],
        "baseline_of": [
            name.partition(" untrained")[0] * ("untrained" in name) for name, _ in rows
        ],
    }
    return xr.Dataset(
        {
            "cka": (dims, cka_from_hsic(parts)),
            "cka_low": (dims, interval[0]),
            "cka_high": (dims, interval[1]),
            "cka_parts": (("batch", *dims), parts),
        },
        {
            f"{key}_{side}": (f"tap_{side}", np.array(column, object if key in TEXT else None))
            for side in "ab"
            for key, column in columns.items()
        }
        | {"batch_images": ("batch", [BATCH] * len(batches))},
        {
            # Two networks of one digest would be one network given twice.
            "models": {name: own | {"weights": name} for name, (own, _) in models.items()},
            "signatures": dict.fromkeys(models, "0" * 64),
            "measures": {"cka": {}},
            "images": {"source": "made up", "count": IMAGES, "digest": "0" * 64, "left_out": []},
            "taps": ["blocks"],
            "left_out_taps": [],
            "batch": BATCH,
            "seconds": 1.0,
            "versions": {},
            **dict.fromkeys(("estimator", "interval", "reduction", "computed"), "made up"),
        },
    )


TEXT = ("model", "tap", "baseline_of")


def study() -> xr.Dataset:
    """Fractions, seeds, a network without skips, a fine-tuned one, and untrained baselines."""
    full, other = chain(1), chain(2)
    start = chain(9, novelty=0.1)
    broken_start = chain(9, broken=4, novelty=0.1)
    models = {
        "full": (facts(), full),
        "full 1": (facts(seed=1, correct=890), towards(full, seed=3, share=0.1)),
        "tenth": (facts(fraction=0.1, correct=700), towards(full, seed=4, share=0.2)),
        "third": (facts(fraction=0.3, correct=800), towards(full, seed=5, share=0.15)),
        "broken": (facts(skip_free=4, correct=850), chain(1, broken=4)),
        "tuned": (facts(start="full", data="digits"), towards(full, seed=6, share=0.3)),
        "resnet": (facts(family="resnet"), other),
        "resnet tenth": (
            facts(family="resnet", fraction=0.1, correct=None),
            towards(other, seed=7, share=0.2),
        ),
    }
    for name in list(models):
        own = models[name][0]
        twin = facts(family=own["family"], skip_free=own["skip_free"], trained=False)
        layers = start if own["skip_free"] is None else broken_start
        models[f"{name} untrained"] = (twin, layers)
    return compared(models)
