"""With many models a report grows with the models, not with their pairs."""

import itertools
from collections.abc import Sequence

import pytest

from seelike.analysis.claims.evidence import Case
from seelike.storage.reports.write import Page
from seelike.tasks.reports.comparison.across import MOST_PAIRS, MostSimilar, pairs_with_figures
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.comparison.page import build_page

from .made_up import chain, compared, facts


def pair(model: str, other: str, cka: float) -> MostSimilar:
    return MostSimilar(model, other, "a", "b", cka, cka)


def made(names: Sequence[str]) -> list[MostSimilar]:
    """Every two of ``names``, less alike one after the other."""
    both = itertools.combinations(names, 2)
    return [pair(a, b, 0.9 - 0.01 * place) for place, (a, b) in enumerate(both)]


def test_few_pairs_are_all_drawn():
    pairs = made("ABCD")
    assert pairs_with_figures(pairs, []) == pairs


def test_of_many_pairs_the_claims_and_the_extremes_are_drawn():
    pairs = made("ABCDEFGH")
    claimed = pairs[10]
    drawn = pairs_with_figures(pairs, [Case("E2-depth", (claimed.model, claimed.other))])
    assert len(drawn) == MOST_PAIRS
    assert claimed in drawn
    assert {pairs[0], pairs[1], pairs[-1], pairs[-2]} <= set(drawn)
    assert drawn == [one for one in pairs if one in drawn]


@pytest.fixture(scope="module")
def many() -> Page:
    """A report of nine architectures."""
    models = {f"M{i}": (facts(family=f"family{i}", correct=None), chain(i)) for i in range(9)}
    return build_page(ComparisonView(compared(models)), name="0" * 64, origins=lambda _: ())


def test_a_report_of_nine_models_draws_six_pairs_and_offers_all_in_the_explorer(many):
    names = [figure.name for figure in many.figures]
    assert sum(name.startswith("across-") for name in names) == MOST_PAIRS
    assert sum(name.startswith("within-m") for name in names) == 9
    [everything] = [figure for figure in many.figures if figure.name == "all-pairs"]
    assert all(f"M{i}: " in everything.explorer for i in range(9))
    [section] = [one for one in many.sections if one.title == "Across models"]
    assert any("6 of 36 pairs" in text for text in section.paragraphs)
    assert len(section.tables[0].rows) == 36
