"""Relations of a study's models: pairs that differ in one factor only.

Factors are the seed, the data, the skips of a block, the start and pooling. Relations follow from
the facts of each model (``ModelPlan.facts``), which comparisons store.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import xarray as xr

# Arguments that choose between a class token and average pooling.
POOLING = ("class_token", "global_pool")
SKIP_FREE = "skip_free"
ALL = 1.0
# Most models of which all pairs are shown.
MOST = 6
MOST_ARCHITECTURES = 12


@dataclass(frozen=True)
class Relations:
    """The trained models of a study in its order, by name, with the facts of each."""

    facts: Mapping[str, Mapping[str, Any]]

    def full(self, model: str) -> list[str]:
        """Find the models trained on all data whose fraction trained ``model``, its seed first.

        Empty where ``model`` was trained on all data itself.
        """
        if self._origin(model)["fraction"] in (None, ALL):
            return []
        found = [
            other
            for other in self.facts
            if self._origin(other)["fraction"] in (None, ALL)
            and self._same(model, other, apart=("fraction", "seed"))
        ]
        return self._own_seed_first(found, model)

    def least(self, models: Sequence[str]) -> list[str]:
        """Find all seeds of the smallest fraction of the data among ``models``."""
        smallest = min((self.fraction(model) for model in models), default=ALL)
        return [model for model in models if self.fraction(model) == smallest]

    def intact(self, model: str) -> str | None:
        """Find the model with the skips that ``model`` lacks, of the same seed if there is one."""
        if self.facts[model].get(SKIP_FREE) is None:
            return None
        found = [
            other
            for other in self.facts
            if self.facts[other].get(SKIP_FREE) is None
            and self._same(model, other, apart=("seed",), arguments=(SKIP_FREE,))
        ]
        return next(iter(self._own_seed_first(found, model)), None)

    def start(self, model: str) -> str | None:
        """Find the model from which ``model`` was fine-tuned, where the study has it."""
        start = self._origin(model)["start"]
        return next((other for other in self.facts if start in self._names(other)), None)

    def class_token(self, model: str) -> str | None:
        """Find the model with a class token for one with average pooling, its own seed first."""
        if self.facts[model].get("pooling") != "GAP":
            return None
        found = [
            other
            for other in self.facts
            if self.facts[other].get("pooling") == "CLS"
            and self._same(model, other, apart=("seed",), arguments=POOLING)
        ]
        return next(iter(self._own_seed_first(found, model)), None)

    def other_seeds(self, model: str) -> list[str]:
        """Find the models that differ from ``model`` in the seed only."""
        return [
            other
            for other in self.facts
            if other != model and self._same(model, other, apart=("seed",))
        ]

    def first_of_each_architecture(self) -> list[str]:
        """List the first model of every architecture, whatever its training, with all skips."""
        found: dict[str, str] = {}
        for model in self.facts:
            origins = ("data", "fraction", "start", "seed")
            found.setdefault(self._shared(model, apart=origins, arguments=(SKIP_FREE,)), model)
        return list(found.values())

    def seed(self, model: str) -> int | None:
        """Seed of ``model``'s training; None where it is unknown."""
        seed: int | None = self._origin(model)["seed"]
        return seed

    def fraction(self, model: str) -> float:
        """Fraction of the data that trained ``model``; 1 where it is unknown."""
        return float(self._origin(model)["fraction"] or ALL)

    def seed_group(self, model: str) -> str:
        """Label that ``model`` shares with models that differ from it in the seed only.

        A network of unknown seed shares it with no other, since its training may differ.
        """
        shared = self._shared(model, apart=("seed",))
        return shared if self.seed(model) is not None else f"{model} {shared}"

    def seeds(self) -> list[list[str]]:
        """Group models that differ in the seed only; groups of two or more."""
        groups: dict[str, list[str]] = {}
        for model in self.facts:
            groups.setdefault(self._shared(model, apart=("seed",)), []).append(model)
        return [group for group in groups.values() if len(group) > 1]

    def doubtful_seeds(self) -> list[str]:
        """List warnings, one sentence each, on networks that differ in their seed only.

        Two with the same weights are one network; two that state one seed but have different
        weights count as two.
        """
        found = []
        for group in self.seeds():
            for first, second in combinations(group, 2):
                if self.facts[first]["weights"] == self.facts[second]["weights"]:
                    found.append(
                        f"{first} and {second} have the same weights: they count as one network."
                    )
                elif self.seed(first) is not None and self.seed(first) == self.seed(second):
                    found.append(
                        f"{first} and {second} state the same seed, {self.seed(first)}, but have "
                        "different weights: they count as two networks."
                    )
        return found

    def _same(
        self, one: str, other: str, *, apart: tuple[str, ...], arguments: tuple[str, ...] = ()
    ) -> bool:
        return self._shared(one, apart=apart, arguments=arguments) == self._shared(
            other, apart=apart, arguments=arguments
        )

    def _shared(
        self, model: str, *, apart: tuple[str, ...], arguments: tuple[str, ...] = ()
    ) -> str:
        """Label of a model without the named origins and arguments, equal for related models."""
        built = self.facts[model]["built"]
        kept = {key: value for key, value in built["arguments"].items() if key not in arguments}
        origin = self._origin(model)
        if origin["fraction"] is None:
            origin["fraction"] = ALL
        shared = {key: value for key, value in origin.items() if key not in apart}
        return json.dumps([built["from"], kept, shared], sort_keys=True)

    def _origin(self, model: str) -> dict[str, Any]:
        known: dict[str, Any] = self.facts[model].get("origin", {})
        return {key: known.get(key) for key in ("data", "fraction", "start", "seed")}

    def _names(self, model: str) -> tuple[str, str]:
        """Names of ``model`` in another model's start: the study's and the zoo's."""
        return model, f"zoo:{self.facts[model].get('zoo')}"

    def _own_seed_first(self, models: list[str], model: str) -> list[str]:
        seed = self._origin(model)["seed"]
        return sorted(models, key=lambda other: self._origin(other)["seed"] != seed)


def relations(comparison: xr.Dataset) -> Relations:
    """Find the relations of the trained models of a comparison, pairs that differ in one factor."""
    there = dict.fromkeys(str(model) for model in comparison["model_a"].values)
    facts: dict[str, Any] = comparison.attrs["models"]
    return Relations({name: facts[name] for name in there if facts[name]["trained"]})


def models_in_pairs(comparison: xr.Dataset, models: list[str]) -> list[str]:
    """Choose the models that are shown in pairs.

    All of them up to 6; else the first of every architecture, of at most 12 architectures.
    """
    if len(models) <= MOST:
        return models
    known = relations(comparison)
    firsts = known.first_of_each_architecture()
    chosen = [model for model in models if model not in known.facts or model in firsts]
    return chosen[:MOST_ARCHITECTURES]
