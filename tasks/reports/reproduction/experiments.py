"""Sections of a reproduction, E1 to E14 in order, each for the models with the roles it needs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.comparison import cases, fine_cases
from seelike.analysis.claims.requirements import Facts, is_fine_tuned, trained_on_part
from seelike.storage.digest import slug
from seelike.storage.reports.write import Check, Figure, Section
from seelike.tasks.reports.comparison import across, within
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.sections import SINGLE_FACTOR
from seelike.tasks.reports.elements.claims import checks, with_undecided
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.lineage import Origins, from_comparison, with_lineage
from seelike.tasks.reports.methods.comparison import MATCH, QUARTERS, cka_method
from seelike.tasks.reports.reproduction.model_experiments import model_sections, without_repeats
from seelike.tasks.results import ReproductionResult


def experiments(found: ReproductionResult, view: ComparisonView) -> list[Section]:
    """A section per experiment, in order; one without numbers says what the study lacks.

    Args:
        found: Comparison, anatomy and probes of the study.
        view: The comparison of all its models.
    """
    comparison = ComparisonExperiments(found, view)
    made = dict(
        [
            ("E1", comparison.within()),
            ("E2", comparison.across()),
            *model_sections(found),
            *comparison.single_factor(),
            ("E14", comparison.mixer()),
        ]
    )
    every = [made.get(f"E{n}") or undecided(found, f"E{n}") for n in range(1, 15)]
    return list(without_repeats(every))


# The models that E7, E11 and E13 are about.
ABOUT: Mapping[str, Callable[[Facts], bool]] = {
    "E7": lambda facts: facts.get("skip_free") is not None,
    "E11": trained_on_part,
    "E13": is_fine_tuned,
}


def undecided(found: ReproductionResult, experiment: str) -> Section:
    """The section of an experiment without numbers."""
    return Section(
        f"{experiment}: {TITLES[experiment]}",
        checks=with_undecided((), experiment, found.available),
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
class ComparisonExperiments:
    """The sections whose numbers are in the comparison of all models."""

    found: ReproductionResult
    view: ComparisonView

    @cached_property
    def origins(self) -> Origins:
        """Lineage of the comparison's figures."""
        return from_comparison(self.found.comparison)

    @cached_property
    def first(self) -> ComparisonView:
        """The first network of every family, for a figure per pair."""
        roles = self.found.roles
        return self.view.of_models(self.present(roles[0] if roles else []))

    @cached_property
    def every_seed(self) -> ComparisonView:
        """The networks of every family and seed; all models without any."""
        models = self.present(dict.fromkeys(model for cast in self.found.roles for model in cast))
        return self.view.of_models(models) if models else self.view

    def checks(self, experiment: str, further: Iterable[Check] = ()) -> tuple[Check, ...]:
        """Claims of E1, E2 or E14."""
        return with_undecided([*self._family_checks, *further], experiment, self.found.available)

    @cached_property
    def _family_checks(self) -> tuple[Check, ...]:
        return checks(cases(self.every_seed.measured), self.view.measured.facts)

    def within(self) -> Section:
        """E1: CKA within each model, on blocks and on the layers of the paper."""
        numbers = within.within_numbers(self.every_seed)
        figures: list[Figure] = []
        further: tuple[Check, ...] = ()
        if self.found.roles:
            figures += within.overview_figures(self.every_seed, numbers)
            figures += within.model_heatmaps(self.first, numbers)
        if self.found.fine is not None:
            fine = ComparisonView(self.found.fine.open().load())
            further = checks(fine_cases(fine.measured), self.view.measured.facts)
            figures += with_lineage(
                Section("fine", figures=tuple(fine_heatmaps(fine))),
                from_comparison(self.found.fine),
            ).figures
        section = Section(
            "E1: within one model",
            paragraphs=tuple(within.too_few_layers(self.every_seed)),
            checks=self.checks("E1", further),
            figures=tuple(figures),
            tables=(within.within_table(numbers),),
            method=cka_method(self.view.dataset, QUARTERS),
            data=(self.view.cka_csv,),
        )
        return with_lineage(section, self.origins)

    def across(self) -> Section:
        """E2: CKA between the layers of two models."""
        several = bool(self.found.roles) and len(self.first.models) > 1
        pairs = across.most_similar(self.first) if several else []
        figures: list[Figure] = []
        if several:
            every = across.most_similar(self.every_seed)
            figures.append(across.all_pairs(self.every_seed, every))
            figures += across.pair_figures(self.first, pairs)
        section = Section(
            "E2: across models",
            paragraphs=tuple(one.sentence for one in pairs),
            checks=self.checks("E2"),
            figures=tuple(figures),
            tables=(across.most_similar_table(pairs),) if pairs else (),
            method=cka_method(self.view.dataset, MATCH),
        )
        return with_lineage(section, self.origins)

    def single_factor(self) -> Iterator[tuple[str, Section]]:
        """E7, E11 and E13: networks that differ from others in one factor only."""
        families = list(dict.fromkeys(model for cast in self.found.roles for model in cast))
        for experiment, kind in ABOUT.items():
            about = self.present(self.found.available.where(kind))
            if not about:
                continue
            models = [*self.present(families), *about]
            section = SINGLE_FACTOR[experiment](self.view.of_models(models))
            if section is not None:
                own = with_undecided(section.checks, experiment, self.found.available)
                title = f"{experiment}: {TITLES[experiment]}"
                titled = replace(section, title=title, checks=own)
                yield experiment, with_lineage(titled, self.origins)

    def present(self, models: Iterable[str]) -> list[str]:
        """Models that were compared: those that did not fail."""
        present = set(self.view.dataset["model_a"].values.tolist())
        return [model for model in models if model in present]

    def mixer(self) -> Section:
        """E14: the MLP-Mixer, with its heatmaps in E1 and E2."""
        return Section(
            "E14: MLP-Mixer",
            ("E1 and E2 show its heatmaps.",),
            self.checks("E14"),
            method=cka_method(self.view.dataset, QUARTERS, MATCH),
        )


def fine_heatmaps(fine: ComparisonView) -> Iterator[Figure]:
    """Heatmaps of the layers of the paper, inside the blocks too."""
    limits = draw.scale(fine.dataset)
    numbers = within.within_numbers(fine)
    for model in fine.models:
        yield render_figure(
            f"fine-{slug(model)}",
            draw.within(fine.dataset, model, limits=limits),
            alt=f"Layers inside blocks included: {within.within_words(model, numbers)}",
            caption=f"CKA between the layers of {model} that the paper uses, those inside its "
            "blocks included.",
            explorer=draw.explorer(fine.dataset, [model], [model], limits=limits),
            models=[model],
        )
