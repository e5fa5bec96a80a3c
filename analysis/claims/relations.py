"""Which models of a study differ in one thing only: the seed, the data, a skip, the start, pooling.

Told by what a survey found of each model (``ModelPlan.facts``), which comparisons keep.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import xarray as xr

# Arguments by which a ViT is classified by a token or by the average of all.
POOLING = ("class_token", "global_pool")
SKIP_FREE = "skip_free"
ALL = 1.0
# So many models can be shown in pairs, each with each.
MOST = 6
MOST_ARCHITECTURES = 12


@dataclass(frozen=True)
class Relations:
    """The trained models of a study in its order, by name, with the facts of each."""

    facts: Mapping[str, Mapping[str, Any]]

    def full(self, model: str) -> list[str]:
        """Those trained on all of the data of which ``model`` has a fraction, its own seed first.

        Empty where the model was trained on all of them itself.
        """
        if self._origin(model)["fraction"] in (None, ALL):
            return []
        twins = [
            other
            for other in self.facts
            if self._origin(other)["fraction"] in (None, ALL)
            and self._same(model, other, apart=("fraction", "seed"))
        ]
        return self._own_seed_first(twins, model)

    def least(self, models: Sequence[str]) -> list[str]:
        """Those of ``models`` that saw the smallest part of the data: all seeds of it."""
        smallest = min((self.fraction(model) for model in models), default=ALL)
        return [model for model in models if self.fraction(model) == smallest]

    def intact(self, model: str) -> str | None:
        """The model with the skip connections that ``model`` lacks, of its seed if there is one."""
        if self.facts[model].get(SKIP_FREE) is None:
            return None
        twins = [
            other
            for other in self.facts
            if self.facts[other].get(SKIP_FREE) is None
            and self._same(model, other, apart=("seed",), arguments=(SKIP_FREE,))
        ]
        return next(iter(self._own_seed_first(twins, model)), None)

    def start(self, model: str) -> str | None:
        """The model that ``model`` was fine-tuned from, where the study has it."""
        start = self._origin(model)["start"]
        return next((other for other in self.facts if start in self._names(other)), None)

    def class_token(self, model: str) -> str | None:
        """The CLS twin of a ``model`` that is classified by GAP, of its seed if there is one."""
        if self.facts[model].get("pooling") != "GAP":
            return None
        twins = [
            other
            for other in self.facts
            if self.facts[other].get("pooling") == "CLS"
            and self._same(model, other, apart=("seed",), arguments=POOLING)
        ]
        return next(iter(self._own_seed_first(twins, model)), None)

    def other_seeds(self, model: str) -> list[str]:
        """Those that differ from ``model`` in nothing but the seed."""
        return [
            other
            for other in self.facts
            if other != model and self._same(model, other, apart=("seed",))
        ]

    def first_of_each_architecture(self) -> list[str]:
        """The first model of every architecture, whatever it was trained on, with all skips."""
        found: dict[str, str] = {}
        for model in self.facts:
            origins = ("data", "fraction", "start", "seed")
            found.setdefault(self._shared(model, apart=origins, arguments=(SKIP_FREE,)), model)
        return list(found.values())

    def seed(self, model: str) -> int | None:
        """The seed of ``model``'s training, where it is known."""
        seed: int | None = self._origin(model)["seed"]
        return seed

    def fraction(self, model: str) -> float:
        """The part of the data that ``model`` was trained on; all of it where nothing is said."""
        return float(self._origin(model)["fraction"] or ALL)

    def seed_group(self, model: str) -> str:
        """What ``model`` shares with those that differ from it in their seed alone.

        A network whose seed is not known has no such others, however alike it is: it may have
        been trained otherwise.
        """
        shared = self._shared(model, apart=("seed",))
        return shared if self.seed(model) is not None else f"{model} {shared}"

    def seeds(self) -> list[list[str]]:
        """Groups of two or more models that differ in nothing but the seed."""
        groups: dict[str, list[str]] = {}
        for model in self.facts:
            groups.setdefault(self._shared(model, apart=("seed",)), []).append(model)
        return [group for group in groups.values() if len(group) > 1]

    def doubtful_seeds(self) -> list[str]:
        """What is odd about networks that differ in their seed alone, a sentence each.

        Two with the same weights are one network; two that state one seed but have other weights
        count as two.
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
        """What a model shares with those that differ in the origins and arguments named only."""
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
        """What the start of another may call ``model``: as a study does, or as the zoo."""
        return model, f"zoo:{self.facts[model].get('zoo')}"

    def _own_seed_first(self, models: list[str], model: str) -> list[str]:
        seed = self._origin(model)["seed"]
        return sorted(models, key=lambda other: self._origin(other)["seed"] != seed)


def relations(comparison: xr.Dataset) -> Relations:
    """Those among the trained models of a comparison that stand in it."""
    there = dict.fromkeys(str(model) for model in comparison["model_a"].values)
    facts: dict[str, Any] = comparison.attrs["models"]
    return Relations({name: facts[name] for name in there if facts[name]["trained"]})


def models_in_pairs(comparison: xr.Dataset, models: list[str]) -> list[str]:
    """Those of ``models`` that are shown in pairs.

    All of them up to 6; else the first of every architecture, of at most 12 architectures.
    """
    if len(models) <= MOST:
        return models
    known = relations(comparison)
    firsts = known.first_of_each_architecture()
    chosen = [model for model in models if model not in known.facts or model in firsts]
    return chosen[:MOST_ARCHITECTURES]
