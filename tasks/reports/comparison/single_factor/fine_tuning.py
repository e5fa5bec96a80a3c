"""Section on fine-tuning (E13): the layers of a network before and after."""

from collections.abc import Mapping, Sequence

from seelike.analysis import figures as draw
from seelike.analysis.claims import matrix_statistics as structure
from seelike.analysis.claims.evidence import Case, Contrast
from seelike.analysis.claims.findings import ComparedModels, Side, Trial, case_sentence
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
from seelike.tasks.reports.methods.comparison import QUARTER_ENDS, SAME, cka_method

DATA = "fine-tuning"


def section(view: ComparisonView) -> Section | None:
    """Build the section: CKA of corresponding layers by depth, and of both end quarters."""
    tuned = fine_tuned_pairs(view)
    if not tuned:
        return None
    measured = view.measured
    beside = {pair: pairs_beside(view, pair) for pair in tuned}
    pairs = list(dict.fromkeys(one for pair in tuned for one in (pair, *beside[pair])))
    layers = paired_layers(view, pairs)
    contrasts = {pair: measured.contrast(quarters(pair)) for pair in pairs}
    cases = {pair: case(measured, pair) for pair in tuned}
    return Section(
        "Before and after fine-tuning",
        paragraphs=(
            "Similarity of corresponding layers of a network before and after fine-tuning, on the "
            "images of this study. The first and last quarters of the layers are rounded up.",
        ),
        checks=checks(cases.values(), measured.facts),
        figures=tuple(
            figure(view, layers, pair, beside[pair], alt=case_sentence(cases[pair]))
            for pair in tuned
        ),
        tables=(table(view, contrasts, [one for pair in tuned for one in (pair, *beside[pair])]),),
        method=cka_method(view.dataset, SAME, QUARTER_ENDS),
        data=(
            paired_csv(
                DATA,
                "one line per layer of two networks: before and after fine-tuning, and baselines",
                view,
                layers,
            ),
        ),
    )


def fine_tuned_pairs(view: ComparisonView) -> list[Pair]:
    """Every fine-tuned network and the network that it started from."""
    known = view.relations
    pairs = [(model, known.start(model)) for model in view.models if model in known.facts]
    return [
        (model, start)
        for model, start in pairs
        if start is not None and corresponding(view, (model, start))
    ]


def case(measured: ComparedModels, pair: Pair) -> Case:
    """The claim that first layers are kept more than last ones; the baseline is the start's."""
    model, start = pair
    twin = measured.baselines.get(start)
    return measured.case(quarters(pair), baseline={model: twin} if twin else None)


def quarters(pair: Pair) -> Trial:
    """The claim for any two networks of one architecture."""
    model, start = pair
    return Trial(
        "E13-preserved",
        f"mean CKA of the same layers of {model} and {start}",
        Side("first quarter", model, start, structure.same_first_quarter),
        Side("last quarter", model, start, structure.same_last_quarter),
    )


def pairs_beside(view: ComparisonView, pair: Pair) -> list[Pair]:
    """Pairs to compare it with: other seeds of the start, and the start's untrained baseline."""
    _, start = pair
    twin = view.measured.baselines.get(start)
    others = [other for other in view.relations.other_seeds(start) if other in view.models]
    found = [(other, start) for other in (*others, *([twin] if twin else []))]
    return [one for one in found if corresponding(view, one)]


def figure(
    view: ComparisonView,
    layers: PairedLayers,
    pair: Pair,
    beside: Sequence[Pair],
    *,
    alt: str,
) -> Figure:
    """Corresponding layers before and after, by depth."""
    model, start = pair
    untrained = set(view.measured.baselines.values())
    curves = [
        curve(view, layers, one, label="untrained", kind="untrained")
        if one[0] in untrained
        else curve(view, layers, one, label=f"ceiling: two seeds of {start}", kind="ceiling")
        for one in beside
    ]
    label = f"{model}, fine-tuned"
    curves.append(curve(view, layers, pair, label=label, kind="trained"))
    panel = draw.Panel(f"with {start}", "CKA of the same layers", curves)
    return render_figure(
        f"fine-tuning-{slug(model)}",
        draw.panels([panel], along="depth (0 input, 1 output)"),
        alt=alt,
        caption=f"CKA of {model}'s layers with the same layers of {start}, from which it was "
        "fine-tuned. The band is a 95 % interval over batches of images.",
        data=DATA,
    )


def table(view: ComparisonView, contrasts: Mapping[Pair, Contrast], pairs: Sequence[Pair]) -> Table:
    """CKA of the end quarters of every pair of the figures."""
    return Table(
        ("network", "its test accuracy", "with", "first quarter", "last quarter", "difference"),
        tuple(
            (
                model,
                view.accuracy(model),
                start,
                contrasts[model, start].first[1],
                contrasts[model, start].second[1],
                contrasts[model, start].difference,
            )
            for model, start in pairs
        ),
        caption="Mean CKA of the same layers, with 95 % intervals over batches of images. Accuracy "
        "from the card, on the data of a network's last training.",
    )
