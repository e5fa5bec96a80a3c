"""Simulated models of a known truth, and how often permutation tests of them are wrong."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.harness.item import Result
from seelike.analysis.similarity import batch_cosines, signature, unit
from seelike.analysis.similarity.significance.corrections import match_q, pair_q, q_values
from seelike.analysis.similarity.significance.permutation_tests import LEVEL, Null, PermutationTest
from seelike.analysis.similarity.significance.permutations import batch_weights

LEVELS = (0.01, 0.05, 0.1)
FACTORS, FEATURES, NOISE = 6, 12, 0.6

Simulate = Callable[[int], "Simulated"]


@dataclass(frozen=True)
class Simulated:
    """Activations (T, batches, images, features) of taps of ``model`` (T,), and the truth.

    ``related`` (T, T) bool: whether two taps share a factor.
    """

    activations: np.ndarray
    model: list[str]
    related: np.ndarray


def simulated(
    seed: int, *, models: int, batches: int, layers: int, images: int, shared: bool = False
) -> Simulated:
    """Models whose layers are mixtures of the model's own random factors, plus noise.

    With ``shared`` the first half of the layers of the first two models has further factors in
    common. All other pairs of layers of different models are independent.
    """
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(models, batches, images, FACTORS))
    common = rng.normal(size=(batches, images, FACTORS))
    taps, factors = [], []
    for one in range(models):
        for layer in range(layers):
            alike = shared and one < 2 and layer < layers // 2
            inputs = np.concatenate([own[one], common], axis=-1) if alike else own[one]
            width = inputs.shape[-1]
            signal = inputs @ rng.normal(size=(width, FEATURES)) / np.sqrt(width)
            taps.append(signal + NOISE * rng.normal(size=signal.shape))
            factors.append({one, "common"} if alike else {one})
    related = np.array([[bool(a & b) for b in factors] for a in factors])
    return Simulated(np.stack(taps), [f"m{i // layers}" for i in range(len(taps))], related)


def shuffled_null(made: Simulated, *, permutations: int, seed: int) -> Null:
    """The permutation test of minibatch CKA of all pairs of taps."""
    units = [[unit(signature(tap)) for tap in batch] for batch in made.activations.swapaxes(0, 1)]
    weights = batch_weights([[length for _, length in batch] for batch in units])
    batches = [
        np.stack([direction for direction, _ in batch]) * weight[:, None].astype(np.float32)
        for batch, weight in zip(units, weights, strict=True)
    ]
    observed = sum((batch_cosines(b).astype(np.float64) for b in batches), np.float64(0))
    return PermutationTest(np.asarray(observed), made.model, permutations, seed).null(batches)


def errors(simulate: Simulate, *, reports: int, permutations: int) -> Result:
    """Shares of reports on unrelated models that take chance for more.

    ``p`` and ``p_match``, ``p_block``: by level the share of p values at most the level, of one
    pair of layers, of one best match and of one pair of models a report. ``uniform``: p of the
    Kolmogorov-Smirnov test of the first. ``one_family``: the share of reports with a pair across
    models if all pairs were one Benjamini-Hochberg family; ``pairs``, ``matches`` and
    ``blocks``: with one declared.
    """
    found: dict[str, list[float]] = {}
    for seed in range(reports):
        made = simulate(seed)
        null = shuffled_null(made, permutations=permutations, seed=seed)
        own = np.array([null.models.index(name) for name in made.model])
        across = own[:, None] != own
        apart = ~np.eye(len(null.models), dtype=bool)
        of_match = own[:, None] != np.arange(len(null.models))
        for key, value in {
            "p": null.cells.p[0, -1],
            "p_match": null.matches.p[0, -1],
            "p_block": null.blocks.p[0, -1],
            "one_family": q_values(null.cells.p)[across].min(),
            "pairs": pair_q(null, model=made.model)[across].min(),
            "matches": match_q(null, model=made.model)[of_match].min(),
            "blocks": null.corrected[apart].min(),
        }.items():
            found.setdefault(key, []).append(float(value))
    result: Result = {key: _share(found[key], LEVEL) for key in list(found)[3:]}
    for key in ("p", "p_match", "p_block"):
        result[key] = {f"{level:g}": _share(found[key], level) for level in LEVELS}
    # Spread over the steps of the permutation test, as only a continuous p is uniform.
    steps = np.random.default_rng(0).uniform(size=reports) / (1 + 2 * permutations)
    result["uniform"] = float(stats.kstest(np.array(found["p"]) - steps, "uniform").pvalue)
    return result


def discoveries(simulate: Simulate, *, reports: int, permutations: int) -> Result:
    """False and true discoveries by family, where two models are partly related.

    ``related``: the mean share of false pairs among those declared between the two models, 0
    where none is. ``unrelated``: the largest such mean of any other pair of models. ``within``:
    of pairs within a model. ``found``: the mean share of the true pairs that is declared, and
    ``found_one_family`` that of one Benjamini-Hochberg family of all pairs.
    """
    false: dict[tuple[int, int], list[float]] = {}
    found, found_before = [], []
    for seed in range(reports):
        made = simulate(seed)
        null = shuffled_null(made, permutations=permutations, seed=seed)
        own = np.array([null.models.index(name) for name in made.model])
        declared = pair_q(null, model=made.model) <= LEVEL
        before = q_values(null.cells.p) <= LEVEL
        upper = np.triu(np.ones_like(declared), k=1)
        for family in zip(*np.triu_indices(len(null.models)), strict=True):
            one, other = map(int, family)
            cells = upper & (own[:, None] == one) & (own == other)
            chosen = declared & cells
            wrong = float((chosen & ~made.related).sum() / max(1, chosen.sum()))
            false.setdefault((one, other), []).append(wrong)
            if (one, other) == (0, 1):
                true = cells & made.related
                found.append(float(declared[true].mean()))
                found_before.append(float(before[true].mean()))
    means = {family: float(np.mean(values)) for family, values in false.items()}
    related = false[0, 1]
    return {
        "related": means[0, 1],
        "related_error": float(np.std(related) / np.sqrt(reports)),
        "unrelated": max(v for (a, b), v in means.items() if a != b and (a, b) != (0, 1)),
        "within": max(v for (a, b), v in means.items() if a == b),
        "found": float(np.mean(found)),
        "found_one_family": float(np.mean(found_before)),
    }


def _share(values: list[float], level: float) -> float:
    return float(np.mean(np.array(values) <= level + 1e-12))
