"""A comparison as the sections of its report read it, each part worked out once."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from seelike.analysis.claims.findings import ComparedModels, compared_models
from seelike.analysis.claims.relations import Relations, models_in_pairs, relations
from seelike.analysis.similarity import Estimate
from seelike.storage.reports.write import Csv
from seelike.tasks.reports.comparison.cell_csv import cell_csv
from seelike.tasks.reports.elements.selection import of_models
from seelike.tasks.reports.elements.tables import accuracy_of


@dataclass(frozen=True)
class ComparisonView:
    """A comparison with its models, their relations, and its numbers as claims take them."""

    dataset: xr.Dataset

    @cached_property
    def measured(self) -> ComparedModels:
        """CKA per batch of images, from which claims compute their numbers."""
        return compared_models(self.dataset)

    @cached_property
    def relations(self) -> Relations:
        """Relations of the trained models, pairs that differ in one factor only."""
        return relations(self.dataset)

    @cached_property
    def models(self) -> list[str]:
        """The study's models in its order, without untrained baselines."""
        return list(self.measured.families)

    @property
    def measures(self) -> list[str]:
        """Names of all measures."""
        return list(self.dataset.attrs["measures"])

    @cached_property
    def shown(self) -> "ComparisonView":
        """The same for sections with a figure per pair: of many models the first of each kind."""
        chosen = models_in_pairs(self.dataset, self.models)
        return self if chosen == self.models else self.of_models(chosen)

    @cached_property
    def cka_csv(self) -> Csv:
        """All pairs of layers of the study's models as CSV."""
        return cell_csv("cka", self.dataset, self.models)

    def of_models(self, models: Iterable[str]) -> "ComparisonView":
        """The same of some models and their baselines, in the order given."""
        return ComparisonView(of_models(self.dataset, models))

    def baselines_of(self, models: Iterable[str]) -> list[str]:
        """Untrained baselines of those of ``models`` that have one."""
        twins = self.measured.baselines
        return [twins[model] for model in models if model in twins]

    def cells(self, model: str, other: str) -> xr.Dataset:
        """Cells of ``model``'s layers (rows) with ``other``'s (columns)."""
        rows = np.flatnonzero(self.dataset["model_a"].values == model)
        columns = np.flatnonzero(self.dataset["model_b"].values == other)
        return self.dataset.isel(tap_a=rows, tap_b=columns)

    def layers(self, model: str) -> list[str]:
        """Names of a model's layers, in forward order."""
        return self.measured.taps(model)

    def depths(self, model: str) -> np.ndarray:
        """Relative depth of a model's layers, (layers,) from 0 input to 1 output."""
        depths: np.ndarray = self.cells(model, model)["depth_a"].values
        return depths

    def accuracy(self, model: str) -> Estimate | None:
        """Test accuracy from a model's card, None without one."""
        return accuracy_of(self.dataset.attrs["models"][model])
