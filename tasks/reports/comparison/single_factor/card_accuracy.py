"""Test accuracy without the skips of one block (E7), from the cards of both networks."""

from seelike.analysis.claims import claim
from seelike.analysis.claims.evidence import Case, Contrast
from seelike.analysis.similarity.intervals.proportions import difference
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.single_factor.skip_free_models import SkipFreeModel
from seelike.tasks.reports.elements.wording import join_names


def accuracy_drop(view: ComparisonView, one: SkipFreeModel) -> Case | None:
    """The claim that the network without skips is less accurate; None where a card is missing."""
    whole, less = view.accuracy(one.intact), view.accuracy(one.model)
    if whole is None or less is None:
        return None
    drop = Contrast(
        f"test accuracy of {one.model} as on its card, block {one.block}; 95 % binomial intervals, "
        "Newcombe's of the difference",
        (f"of {one.intact}", whole),
        (f"of {one.model}", less),
        difference(whole, less),
        claim("E7-accuracy").least,
    )
    return Case("E7-accuracy", (one.model, one.intact), (drop,))


def seed_accuracies(view: ComparisonView, intact: str) -> str:
    """Test accuracy of the other seeds of a network, to judge a drop by; '' without any."""
    known = {other: view.accuracy(other) for other in view.relations.other_seeds(intact)}
    seeds = [f"{other} {100 * one.value:.2f} %" for other, one in known.items() if one is not None]
    if not seeds:
        return ""
    return f"Test accuracy of other seeds of {intact}, for comparison: {join_names(seeds)}."
