"""Section on data scale (E11): networks trained on part of the data and on all of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from seelike.analysis import figures as draw
from seelike.analysis.claims import matrix_statistics as structure
from seelike.analysis.claims.evidence import Case, Contrast
from seelike.analysis.claims.findings import Side, Trial, format_estimate
from seelike.storage.digest import slug
from seelike.storage.reports.write import Figure, Section, Table
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.single_factor.paired_layers import (
    Pair,
    PairedLayers,
    corresponding,
    curve,
    paired_csv,
    paired_layers,
)
from seelike.tasks.reports.elements.claims import checks
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.wording import join_names
from seelike.tasks.reports.methods.comparison import HALVES, SAME, cka_method

DATA = "data-scale"


@dataclass(frozen=True)
class Scale:
    """Networks of one architecture: trained on ``fractions`` of the data, ascending, and ``full``.

    ``untrained`` is the untrained baseline, None without one.
    """

    fractions: tuple[str, ...]
    full: tuple[str, ...]
    untrained: str | None

    @property
    def pairs(self) -> list[Pair]:
        """Fractions and untrained baseline with the full networks; two seeds of these last."""
        partial = [*self.fractions, *([self.untrained] if self.untrained else [])]
        return [(one, full) for full in self.full for one in partial] + self.ceiling

    @property
    def ceiling(self) -> list[Pair]:
        """Full networks of two seeds, where there are two."""
        return [(self.full[0], other) for other in self.full[1:]]


def scales(view: ComparisonView) -> list[Scale]:
    """Architectures with networks trained on part of the data, compared at the same layers."""
    known = view.relations
    groups: dict[tuple[str, ...], list[str]] = {}
    for model in view.models:
        full = known.full(model) if model in known.facts else []
        full = [other for other in full if corresponding(view, (model, other))]
        if full:
            groups.setdefault(tuple(full), []).append(model)
    twins = view.measured.baselines
    return [
        Scale(tuple(sorted(fractions, key=known.fraction)), full, twins.get(fractions[0]))
        for full, fractions in groups.items()
    ]


def section(view: ComparisonView) -> Section | None:
    """Build the section: CKA of corresponding layers by depth, and of both halves."""
    each = scales(view)
    if not each:
        return None
    pairs = list(dict.fromkeys(pair for scale in each for pair in scale.pairs))
    seeds = (pair for scale in each for pair in combinations(scale.full, 2))
    layers = paired_layers(view, [*pairs, *seeds])
    contrasts = {pair: view.measured.contrast(halves(pair)) for pair in pairs}
    return Section(
        "Data scale",
        paragraphs=(
            "Similarity of corresponding layers of two networks: one trained on part of the data, "
            "in as many steps, the other on all of it. Two seeds trained on all of the data are "
            "the ceiling. The untrained baseline shows what remains without data.",
        ),
        checks=checks([case for scale in each for case in cases(view, scale)], view.measured.facts),
        figures=tuple(figure(view, layers, contrasts, scale) for scale in each),
        tables=tuple(table(view, contrasts, scale) for scale in each),
        method=cka_method(view.dataset, SAME, HALVES),
        data=(
            paired_csv(
                DATA,
                "one line per layer of two networks of one architecture: their CKA",
                view,
                {pair: layers[pair] for pair in pairs},
            ),
        ),
    )


def cases(view: ComparisonView, scale: Scale) -> Iterator[Case]:
    """The claim that lower layers stay more alike, for every ViT and a full one of another seed.

    Without another seed, with that of its own: initial weights in common make lower layers alike.
    """
    known, measured = view.relations, view.measured
    for model in scale.fractions:
        if measured.families[model] != "vit":
            continue
        own = known.seed(model)
        full = next((one for one in scale.full if known.seed(one) != own), scale.full[0])
        baseline = {model: scale.untrained} if scale.untrained else None
        yield measured.case(halves((model, full)), baseline=baseline)


def halves(pair: Pair) -> Trial:
    """The claim for any two networks of one architecture."""
    model, full = pair
    return Trial(
        "E11-lower",
        f"mean CKA of the same layers of {model} and {full}",
        Side("lower half", model, full, structure.same_lower_half),
        Side("upper half", model, full, structure.same_upper_half),
    )


def words(contrasts: Mapping[Pair, Contrast], scale: Scale, model: str) -> str:
    """CKA of both halves of ``model`` with the full networks, for alternative text."""
    each = []
    for full in scale.full:
        both = contrasts[model, full]
        each.append(
            f"with {full} {format_estimate(both.first[1])} and {format_estimate(both.second[1])}"
        )
    return f"{model}: mean CKA in the lower and in the upper half {'; '.join(each)}."


def figure(
    view: ComparisonView,
    layers: PairedLayers,
    contrasts: Mapping[Pair, Contrast],
    scale: Scale,
) -> Figure:
    """A panel per full network: CKA of its layers with the same layers of all others."""
    return render_figure(
        f"data-scale-{slug(scale.full[0])}",
        draw.panels(
            [_panel(view, layers, scale, full) for full in scale.full],
            along="depth (0 input, 1 output)",
        ),
        alt=" ".join(words(contrasts, scale, model) for model in scale.fractions),
        caption="CKA of the layers of networks trained on part of the data with the same layers of "
        f"{join_names(scale.full)}, trained on all of it. Bands are 95 % intervals over batches of "
        "images.",
        data=DATA,
    )


def _panel(view: ComparisonView, layers: PairedLayers, scale: Scale, full: str) -> draw.Panel:
    known = view.relations
    curves = [
        curve(view, layers, pair, label="ceiling: two seeds", kind="ceiling")
        for pair in combinations(scale.full, 2)
        if full in pair
    ]
    for model in scale.fractions:
        label = f"{100 * known.fraction(model):g} % of the data"
        curves.append(curve(view, layers, (model, full), label=label, kind="trained"))
    if scale.untrained:
        pair = (scale.untrained, full)
        curves.append(curve(view, layers, pair, label="untrained", kind="untrained"))
    same = {known.seed(model) for model in scale.fractions} == {known.seed(full)}
    title = f"with {full}" + (", of the same seed" if same else "")
    return draw.Panel(title, "CKA of the same layers", curves)


def table(view: ComparisonView, contrasts: Mapping[Pair, Contrast], scale: Scale) -> Table:
    """CKA of the halves of every pair of the figure, and the test accuracy of the first network."""
    return Table(
        ("network", "its test accuracy", "with", "lower half", "upper half", "difference"),
        tuple(
            (
                model,
                view.accuracy(model),
                full,
                contrasts[model, full].first[1],
                contrasts[model, full].second[1],
                contrasts[model, full].difference,
            )
            for model, full in scale.pairs
        ),
        caption="Mean CKA of the same layers, with 95 % intervals over batches of images. Accuracy "
        "from the card.",
    )
