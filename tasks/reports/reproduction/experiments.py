"""The sections of a reproduction, E1 to E14 in order, each of what its models were found to be."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.comparison import cases, fine_cases
from seelike.analysis.claims.findings import ComparedModels, compared_models
from seelike.analysis.claims.requirements import Facts, is_fine_tuned, trained_on_part
from seelike.storage.digest import slug
from seelike.storage.reports.write import Check, Csv, Figure, Section
from seelike.tasks.reports.comparison import within_and_across
from seelike.tasks.reports.comparison.single_factor.sections import SECTIONS
from seelike.tasks.reports.elements.claims import checks, with_lacking
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.lineage import Origins, from_comparison, with_lineage
from seelike.tasks.reports.elements.selection import of_models
from seelike.tasks.reports.methods.comparison import MATCH, QUARTERS, cka_method
from seelike.tasks.reports.reproduction.model_experiments import inner_data, inner_sections, once
from seelike.tasks.results import ReproductionResult


def experiments(found: ReproductionResult) -> list[Section]:
    """A section an experiment, in order; one of which there are no numbers says what lacks."""
    compared = Compared(found, found.comparison.open().load())
    made = [
        ("E1", compared.within()),
        ("E2", compared.across()),
        *inner_sections(found),
        *compared.related(),
        ("E14", compared.mixer()),
    ]
    there = dict(made)
    every = [there.get(f"E{n}") or lacking(found, f"E{n}") for n in range(1, 15)]
    return list(once(every))


# Which models E7, E11 and E13 are about.
ABOUT: dict[str, Callable[[Facts], bool]] = {
    "E7": lambda facts: facts.get("skip_free") is not None,
    "E11": trained_on_part,
    "E13": is_fine_tuned,
}


def lacking(found: ReproductionResult, experiment: str) -> Section:
    """The section of an experiment of which nothing is there."""
    return Section(
        f"{experiment}: {TITLES[experiment]}", checks=with_lacking((), experiment, found.available)
    )


TITLES = {
    "E3": "attention distance",
    "E4": "subsets of heads",
    "E5": "effective receptive fields",
    "E6": "skip connections",
    "E7": "trained without skips",
    "E8": "localization",
    "E9": "localization under average pooling",
    "E10": "probes on single tokens",
    "E11": "data scale",
    "E12": "probes by depth, and transfer",
    "E13": "fine-tuning",
}


@dataclass(frozen=True)
class Compared:
    """The sections that a comparison of all models is enough for."""

    found: ReproductionResult
    dataset: xr.Dataset

    @cached_property
    def origins(self) -> Origins:
        """What the figures of the comparison are drawn from."""
        return from_comparison(self.found.comparison)

    @cached_property
    def measured(self) -> ComparedModels:
        """The comparison of all networks, as findings need it."""
        return compared_models(self.dataset)

    @cached_property
    def first(self) -> xr.Dataset:
        """The comparison cut to the first network of every family, for heatmaps of pairs."""
        return of_models(self.dataset, self.there(self.found.roles[0] if self.found.roles else []))

    @cached_property
    def every_seed(self) -> xr.Dataset:
        """The comparison cut to the networks of every family and seed; all, if there are none."""
        models = dict.fromkeys(model for cast in self.found.roles for model in cast)
        there = self.there(models)
        return of_models(self.dataset, there) if there else self.dataset

    def checks(self, experiment: str, further: Iterable[Check] = ()) -> tuple[Check, ...]:
        """Those of E1, E2 or E14."""
        return with_lacking([*self._all, *further], experiment, self.found.available)

    @cached_property
    def _all(self) -> tuple[Check, ...]:
        return checks(cases(compared_models(self.every_seed)), self.measured.facts)

    def within(self) -> Section:
        """E1: CKA within each model, on blocks and on the taps of the paper."""
        figures: list[Figure] = []
        further: tuple[Check, ...] = ()
        if self.found.roles:
            figures += within_and_across.seed_figures(
                self.every_seed, compared_models(self.every_seed)
            )
            figures += within_and_across.model_heatmaps(self.first, compared_models(self.first))
        if self.found.fine is not None:
            fine = self.found.fine.open().load()
            further = checks(fine_cases(compared_models(fine)), self.measured.facts)
            figures += with_lineage(
                Section("fine", figures=tuple(finely(fine))), from_comparison(self.found.fine)
            ).figures
        section = Section(
            "E1: within one model",
            checks=self.checks("E1", further),
            figures=tuple(figures),
            tables=(within_and_across.within_table(compared_models(self.every_seed)),),
            method=cka_method(self.dataset, QUARTERS),
        )
        return with_lineage(section, self.origins)

    def across(self) -> Section:
        """E2: CKA between the layers of two models."""
        figures: list[Figure] = []
        words: list[str] = []
        models = list(compared_models(self.first).families) if self.found.roles else []
        if len(models) > 1:
            every = list(compared_models(self.every_seed).families)
            figures.append(within_and_across.all_pairs(self.every_seed, every))
            figures += within_and_across.pair_figures(self.first, models)
            pairs = [(a, b) for i, a in enumerate(models) for b in models[i + 1 :]]
            words += [within_and_across.across_words(self.first, a, b) for a, b in pairs]
        section = Section(
            "E2: across models",
            tuple(words),
            self.checks("E2"),
            tuple(figures),
            method=cka_method(self.dataset, MATCH),
        )
        return with_lineage(section, self.origins)

    def related(self) -> Iterator[tuple[str, Section]]:
        """E7, E11 and E13: networks that differ from others in one thing only."""
        for experiment, cut in self.cuts().items():
            measured = compared_models(cut)
            section = SECTIONS[experiment].section(cut, measured)
            if section is not None:
                own = with_lacking(section.checks, experiment, self.found.available)
                title = f"{experiment}: {TITLES[experiment]}"
                yield (
                    experiment,
                    with_lineage(replace(section, title=title, checks=own), self.origins),
                )

    def cuts(self) -> dict[str, xr.Dataset]:
        """The comparison cut to what E7, E11 and E13 are about, and the networks as such."""
        available = self.found.available
        as_such = list(dict.fromkeys(model for cast in self.found.roles for model in cast))
        about = {one: available.where(kind) for one, kind in ABOUT.items()}
        return {
            experiment: of_models(self.dataset, self.there([*as_such, *models]))
            for experiment, models in about.items()
            if self.there(models)
        }

    def there(self, models: Iterable[str]) -> list[str]:
        """Those of ``models`` that did not fail."""
        compared = set(self.dataset["model_a"].values.tolist())
        return [model for model in models if model in compared]

    def mixer(self) -> Section:
        """E14: the MLP-Mixer, whose figures stand with E1 and E2."""
        return Section(
            "E14: MLP-Mixer",
            ("Its heatmaps stand with E1 and E2.",),
            self.checks("E14"),
            method=cka_method(self.dataset, QUARTERS, MATCH),
        )


def finely(fine: xr.Dataset) -> Iterator[Figure]:
    """Heatmaps of the taps of the paper."""
    limits = draw.scale(fine)
    measured = compared_models(fine)
    for model in measured.families:
        yield render_figure(
            f"fine-{slug(model)}",
            draw.within(fine, model, limits=limits),
            alt=f"Inside its blocks too: {within_and_across.within_words(measured, model)}",
            caption=f"CKA between the layers of {model}, inside its blocks too, as the paper taps "
            "them.",
            explorer=draw.explorer(fine, [model], [model], limits=limits),
            models=[model],
        )


def data(found: ReproductionResult) -> Iterator[Csv]:
    """The numbers to take along."""
    dataset = found.comparison.open().load()
    yield from within_and_across.data(dataset, list(compared_models(dataset).families))
    for experiment, cut in Compared(found, dataset).cuts().items():
        yield from SECTIONS[experiment].data(cut, compared_models(cut))
    yield from inner_data(found)
