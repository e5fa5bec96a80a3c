"""Section on CKA within each model (E1): heatmaps, its numbers, the claims."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from seelike.analysis import figures as draw
from seelike.analysis.claims import matrix_statistics as statistics
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.findings import Side, format_estimate
from seelike.analysis.similarity import Estimate
from seelike.storage.digest import slug
from seelike.storage.reports.write import Figure, Section, Table
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.elements.claims import checks
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.wording import capitalize
from seelike.tasks.reports.methods.comparison import QUARTERS, cka_method

ENDS = "bottom quarter with top quarter"
LEAST = "least similar 5 % of pairs"
# More networks beside each other are too small to read.
MOST_BESIDE = 6
STATISTICS = {ENDS: statistics.bottom_top, LEAST: statistics.least_similar}


@dataclass(frozen=True)
class WithinNumber:
    """A statistic of the CKA between a model's layers, and that of its untrained baseline."""

    name: str
    own: Estimate
    untrained: Estimate | None


Numbers = Mapping[str, Sequence[WithinNumber]]


def section(view: ComparisonView, cases: Sequence[Case]) -> Section:
    """Build the section; ``cases`` are the claims of E1 on all networks of the study."""
    numbers = within_numbers(view)
    return Section(
        "Within each model",
        paragraphs=tuple(too_few_layers(view)),
        checks=checks(cases, view.measured.facts),
        figures=(
            *overview_figures(view.shown, numbers),
            *model_heatmaps(view.shown, numbers),
        ),
        tables=(within_table(numbers),),
        method=cka_method(view.dataset, QUARTERS),
        data=(view.cka_csv,),
    )


def within_numbers(view: ComparisonView) -> Numbers:
    """The statistics of every model that has enough layers for them."""
    measured = view.measured
    found = {}
    for model in view.models:
        if measured.too_few_layers(model):
            continue
        sides = {name: Side(model, model, model, number) for name, number in STATISTICS.items()}
        found[model] = [
            WithinNumber(
                name,
                measured.estimate(side),
                measured.estimate(side, named=measured.baselines)
                if model in measured.baselines
                else None,
            )
            for name, side in sides.items()
        ]
    return found


def too_few_layers(view: ComparisonView) -> Iterator[str]:
    """Models that have too few layers for the numbers within a model."""
    for model in view.models:
        why = view.measured.too_few_layers(model)
        if why:
            yield f"{model} is left out of the numbers within each model. {capitalize(why)}."


def within_words(model: str, numbers: Numbers) -> str:
    """The numbers within a model, for the alternative text of a figure."""
    if model not in numbers:
        return f"{model} has too few layers for numbers within a model."
    own = [format_estimate(one.own) for one in numbers[model]]
    text = (
        f"{model}: the mean CKA of bottom and top quarter is {own[0]}, of the least similar 5 % of "
        f"pairs of layers {own[1]}."
    )
    before = [format_estimate(one.untrained) for one in numbers[model] if one.untrained]
    return f"{text} Before training: {' and '.join(before)}." if before else text


def within_table(numbers: Numbers) -> Table:
    """The numbers within every model and its untrained baseline."""
    return Table(
        ("model", "mean CKA of", "as given", "untrained baseline"),
        tuple(
            (model, one.name, one.own, one.untrained)
            for model, each in numbers.items()
            for one in each
        ),
        caption="Numbers within each model, with 95 % intervals over batches of images.",
    )


def overview_figures(view: ComparisonView, numbers: Numbers) -> Iterator[Figure]:
    """All models and their baselines in one figure, and their numbers in another."""
    twins = view.measured.baselines
    with_baseline = [model for model in view.models if model in twins][:MOST_BESIDE]
    shown = {model: numbers[model] for model in view.models if model in numbers}
    if with_baseline:
        yield render_figure(
            "trained-and-untrained",
            draw.against_untrained(view.dataset, with_baseline),
            alt=_alt("CKA within models.", with_baseline, numbers),
            caption="CKA between all layers of each network: trained above, the untrained "
            "baseline below. One colour scale.",
            data="cka",
            models=[*with_baseline, *view.baselines_of(with_baseline)],
        )
    if shown:
        dots = [
            draw.Dot(one.name, model, model, value.value, value.low, value.high, trained=trained)
            for model, each in shown.items()
            for one in each
            for value, trained in ((one.own, True), (one.untrained, False))
            if value is not None
        ]
        yield render_figure(
            "within-numbers",
            draw.checks(dots, colours=draw.colours(view.dataset)),
            alt=_alt("Numbers within each model.", list(shown), numbers),
            caption="Similarity of each network's ends, and of its least similar pairs of layers. "
            "Lines are 95 % intervals over batches of images.",
            models=[*shown, *view.baselines_of(shown)],
        )


def _alt(start: str, models: Sequence[str], numbers: Numbers) -> str:
    return " ".join([start, *(within_words(model, numbers) for model in models)])


def model_heatmaps(view: ComparisonView, numbers: Numbers) -> Iterator[Figure]:
    """A heatmap of each model."""
    limits = draw.scale(view.dataset)
    for model in view.models:
        yield render_figure(
            f"within-{slug(model)}",
            draw.within(view.dataset, model, limits=limits),
            alt=within_words(model, numbers),
            caption=f"CKA between all layers of {model}.",
            data="cka",
            explorer=draw.explorer(view.dataset, [model], [model], limits=limits),
            models=[model],
        )
