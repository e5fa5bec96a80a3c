"""One rule for all claims, one catalogue of them, and a need for each that says what settles it."""

import re

import pytest

from analysis.claims import CLAIMS, RELATION, VERDICTS, claim, tally, verdict
from analysis.similarity import Estimate


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 0.3, "holds"),
        (-0.3, -0.1, "does not hold"),
        (-0.1, 0.3, "can't tell"),
        (0.0, 0.3, "can't tell"),
        (-0.3, 0.0, "can't tell"),
        (None, None, "can't tell"),
    ],
)
def test_a_verdict_follows_from_the_interval_of_the_difference(low, high, expected):
    assert verdict(Estimate(0.2, low, high)) == expected
    assert expected in VERDICTS and expected in RELATION


def test_verdicts_are_counted_in_words():
    assert tally(["holds", "can't tell", "holds"]) == "2 hold, 1 can't be told"
    assert tally(["does not hold"]) == "1 does not hold"
    assert tally([]) == ""


def test_the_catalogue_has_every_experiment_in_order_and_every_id_once():
    ids = [one.id for one in CLAIMS]
    assert len(set(ids)) == len(ids)
    numbers = [int(one.experiment.removeprefix("E")) for one in CLAIMS]
    assert numbers == sorted(numbers) and set(numbers) == set(range(1, 15))
    assert all(re.fullmatch(r"E\d+-[a-z-]+", id) for id in ids)
    assert all(one.needs and one.sentence.endswith(".") for one in CLAIMS)


def test_two_claims_of_one_sentence_name_each_other():
    for one in CLAIMS:
        same = [other.id for other in CLAIMS if other.sentence == one.sentence and other != one]
        assert same == ([one.also] if one.also else [])


def test_an_unknown_claim_is_answered_with_the_nearest():
    with pytest.raises(KeyError, match=r"no claim 'E1-end'.*nearest: 'E1-ends'"):
        claim("E1-end")
