"""Section on CKA across models (E2): heatmaps, best matches, the claims."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from seelike.analysis import figures as draw
from seelike.analysis.claims.evidence import Case
from seelike.analysis.similarity.significance.permutation_tests import ROUNDING
from seelike.storage.digest import slug
from seelike.storage.reports.write import Figure, Section, Table
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.elements.claims import checks
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.methods.comparison import MATCH, cka_method

# More pairs of models with figures of their own nobody looks through.
MOST_PAIRS = 6


@dataclass(frozen=True)
class MostSimilar:
    """The most similar pair of layers of two models, and the last layer's best match."""

    model: str
    other: str
    layer: str
    other_layer: str
    cka: float
    last: float

    @property
    def sentence(self) -> str:
        """Sentence on the most similar layers of the two models."""
        return (
            f"{self.model} and {self.other} are most alike at {self.layer} and {self.other_layer}."
        )

    @property
    def words(self) -> str:
        """The same with its numbers, for the alternative text of a figure."""
        return (
            f"{self.model} and {self.other} are most alike at {self.layer} and {self.other_layer} "
            f"(CKA {self.cka:.2f}); {self.model}'s last layer has {self.last:.2f} with its best "
            f"match in {self.other}."
        )


def section(view: ComparisonView, cases: Sequence[Case]) -> Section | None:
    """Build the section; ``cases`` are the claims on several networks of the study."""
    if len(view.shown.models) < 2:
        return None
    pairs = most_similar(view.shown)
    drawn = pairs_with_figures(pairs, cases)
    return Section(
        "Across models",
        paragraphs=(*(one.sentence for one in drawn), *_choice(drawn, pairs)),
        checks=checks(cases, view.measured.facts),
        figures=(all_pairs(view.shown, drawn), *pair_figures(view.shown, drawn)),
        tables=(most_similar_table(pairs),),
        method=cka_method(view.dataset, MATCH),
        data=(view.cka_csv,),
    )


def most_similar(view: ComparisonView) -> list[MostSimilar]:
    """The most similar pair of layers of every two models."""
    found = []
    for model, other in combinations(view.models, 2):
        cells = view.cells(model, other)
        cka = cells["cka"].values
        i, j = divmod(int(cka.argmax()), cka.shape[1])
        layers = str(cells["tap_a"].values[i]), str(cells["tap_b"].values[j])
        found.append(MostSimilar(model, other, *layers, float(cka[i, j]), float(cka[-1].max())))
    return found


def pairs_with_figures(pairs: Sequence[MostSimilar], cases: Sequence[Case]) -> list[MostSimilar]:
    """The pairs of models that are drawn: of many, those of the claims, then the extremes.

    Args:
        pairs: Every two models.
        cases: The claims, with the networks on which they are tested.

    Returns:
        At most 6 pairs in their order; the extremes are the most and the least alike in turn.
    """
    claimed = [
        one for one in pairs if any({one.model, one.other} <= set(case.networks) for case in cases)
    ]
    others = sorted((one for one in pairs if one not in claimed), key=lambda one: one.cka)
    extremes = [others.pop(-1 if place % 2 == 0 else 0) for place in range(len(others))]
    chosen = [*claimed, *extremes][:MOST_PAIRS]
    return [one for one in pairs if one in chosen]


def _choice(shown: Sequence[MostSimilar], pairs: Sequence[MostSimilar]) -> Iterator[str]:
    """Sentence on the choice of the pairs of models with figures; nothing where all have one."""
    if len(shown) < len(pairs):
        yield (
            f"{len(shown)} of {len(pairs)} pairs of models have figures of their own: pairs of "
            "the claims, and the most and the least alike. The first figure and its explorer "
            "have all pairs."
        )


def most_similar_table(pairs: Sequence[MostSimilar]) -> Table:
    """The same as a table."""
    return Table(
        ("model", "other model", "layer", "most similar layer", "CKA", "last layer's best match"),
        tuple((p.model, p.other, p.layer, p.other_layer, p.cka, p.last) for p in pairs),
        caption="The most similar pair of layers of every two models; and the CKA of the first "
        "model's last layer with the layer of the other model that it resembles most.",
    )


def match_words(view: ComparisonView, model: str, other: str) -> str:
    """Depths in ``other`` of the best matches of ``model``'s ends, for alternative text."""
    cells = view.cells(model, other)
    depths = match_depths(cells["cka"].values, cells["depth_b"].values)
    each = max(1, len(depths) // 4)
    low, high = float(depths[:each].mean()), float(depths[-each:].mean())
    return (
        f"Best matches of {model}'s lowest quarter lie at a mean depth of {low:.2f} in {other}, "
        f"those of its highest quarter at {high:.2f} (0 input, 1 output)."
    )


def match_depths(cka: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Depth of the best match of every layer.

    Layers that match equally well count by their mean depth: taps that read the same tensor
    differ by rounding alone, which must not choose between them.

    Args:
        cka: Similarities, (layers, others).
        depth: Relative depth of the others, (others,).

    Returns:
        (layers,) float64.
    """
    best = cka >= cka.max(axis=1, keepdims=True) - ROUNDING
    return np.asarray((best * depth).sum(axis=1) / best.sum(axis=1))


def all_pairs(view: ComparisonView, pairs: Sequence[MostSimilar]) -> Figure:
    """Heatmap of every layer of every model with every other."""
    dataset, models = view.dataset, view.models
    return render_figure(
        "all-pairs",
        draw.all_pairs(dataset, models),
        alt=" ".join(["CKA of all layers of all models.", *(one.words for one in pairs)]),
        caption="CKA of every layer of every model with every other; each model with itself on "
        "the diagonal. One colour scale.",
        data="cka",
        explorer=draw.explorer(dataset, models, models),
        models=models,
    )


def pair_figures(view: ComparisonView, pairs: Sequence[MostSimilar]) -> Iterator[Figure]:
    """The heatmap and the best matches of every two models."""
    dataset = view.dataset
    limits = draw.scale(dataset)
    for one in pairs:
        a, b = one.model, one.other
        yield render_figure(
            f"across-{slug(a)}-{slug(b)}",
            draw.across(dataset, b, a, limits=limits),
            alt=one.words,
            caption=f"CKA of {b}'s layers (upward) with {a}'s (rightward).",
            data="cka",
            explorer=draw.explorer(dataset, [b], [a], limits=limits),
            models=[a, b],
        )
        yield render_figure(
            f"match-{slug(b)}-{slug(a)}",
            draw.best_match(dataset, b, a, limits=limits),
            alt=match_words(view, b, a),
            caption=f"For each layer of {b}, the depth in {a} of its most similar layer.",
            data="cka",
            models=[a, b],
        )
