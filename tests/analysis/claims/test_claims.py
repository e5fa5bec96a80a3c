"""One rule for all claims, one catalogue, seeds judged one by one, and what training adds."""

import re

import numpy as np
import pytest

from seelike.analysis.claims import CLAIMS, VERDICTS, chance_words, claim, tally
from seelike.analysis.claims.evidence import Case, Measurement, contrast, judge
from seelike.analysis.claims.experiments.comparison import cases
from seelike.analysis.claims.results import claim_contrast
from seelike.analysis.claims.verdicts import over_seeds, sign, together
from seelike.analysis.similarity import Estimate, Jackknifed, jackknifed

from .simulated import compared, facts, falling, names

LEAST = claim("E1-ends").least


def number(value: float, *, error: float = 0.01, groups: int = 9) -> Jackknifed:
    """A number of such a standard error."""
    raw = np.linspace(-1, 1, groups)
    scaled = raw / (raw.std(ddof=1) / np.sqrt(groups)) * error
    return jackknifed((value + scaled)[:, None])


def case(
    difference: float,
    *,
    before: float | None = None,
    error: float = 0.01,
    networks: tuple[str, ...] = ("a", "b"),
) -> Case:
    """E1-ends with such a difference, and that before training."""
    still = jackknifed(np.zeros((9, 1)))
    first = Measurement(
        "a", number(difference, error=error), None if before is None else number(before)
    )
    found = claim_contrast("E1-ends", "mean CKA", first, Measurement("b", still, still))
    return Case("E1-ends", networks, (found,))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.11, 0.3, "holds"),
        (0.05, 0.3, "can't tell"),
        (-0.3, 0.09, "does not hold"),
        (0.02, 0.09, "does not hold"),
        (0.1, 0.3, "can't tell"),
        (-0.3, 0.1, "can't tell"),
        (None, None, "can't tell"),
    ],
)
def test_a_sign_follows_from_the_interval_and_the_smallest_that_matters(low, high, expected):
    assert sign(Estimate(0.2, low, high), least=0.1) == expected


def test_several_numbers_have_to_hold_together():
    assert together(["holds", "holds"], agree=False) == "holds"
    assert together(["holds", "can't tell"], agree=False) == "can't tell"
    assert together(["holds", "does not hold"], agree=False) == "does not hold"
    assert together(["holds", "does not hold"], agree=True) == "can't tell"
    assert together(["does not hold"] * 2, agree=True) == "does not hold"


def test_a_difference_that_training_does_not_add_to_holds_before_it_too():
    assert case(0.3).verdict == "holds"
    assert case(0.3, before=0.0).verdict == "holds"
    assert case(0.3, before=0.3).verdict == "holds before training too"
    assert case(0.3, before=0.5).verdict == "holds before training too"
    assert case(0.0, before=0.0).verdict == "does not hold"
    learned = case(0.3, before=0.1).contrasts[0].learned
    assert learned is not None and learned.value == pytest.approx(0.2)


def test_training_has_to_add_to_one_of_several_numbers_and_take_from_none():
    def of(*before: float) -> str:
        contrasts = [case(0.3, before=one).contrasts[0] for one in before]
        return Case("E1-ends", ("a", "b"), tuple(contrasts)).verdict

    assert of(0.0, 0.3) == "holds"
    assert of(0.0, 0.35) == "holds"
    assert of(0.0, 0.6) == "holds before training too"
    assert of(0.3, 0.3) == "holds before training too"


def test_seeds_are_judged_one_by_one_and_agree_or_not():
    assert over_seeds(["holds", "holds"]) == "holds"
    assert over_seeds(["holds", "does not hold"]) == "seeds disagree"
    assert over_seeds(["holds", "can't tell"]) == "seeds disagree"
    assert over_seeds([]) == "can't tell"
    first, second = case(0.3), case(0.0, networks=("a1", "b1"))
    (found,) = judge([first, second], seed_group=lambda name: name[0], weights={})
    assert (found.verdict, found.seeds) == ("seeds disagree", "disagree")
    (alone,) = judge([first], seed_group=lambda name: name[0], weights={})
    assert (alone.verdict, alone.seeds) == ("holds", "one network")
    apart = judge([first, second], seed_group=lambda name: name, weights={})
    assert [one.verdict for one in apart] == ["holds", "does not hold"]


def test_a_network_given_twice_is_one_and_another_training_of_a_seed_is_another():
    twice = [case(0.3), case(0.3, networks=("a1", "b1"))]
    same = {"a": "x", "a1": "x", "b": "y", "b1": "y"}
    (found,) = judge(twice, seed_group=lambda name: name[0], weights=same)
    assert found.seeds == "one network"
    (found,) = judge(twice, seed_group=lambda name: name[0], weights=same | {"a1": "z"})
    assert found.seeds == "2 agree"


def test_two_seeds_of_both_families_are_two_cases_of_one_claim():
    alike, apart = falling(8, 0.02), falling(8, 0.3)
    planted = np.kron(np.eye(4), np.zeros((8, 8)))
    for at, block in enumerate((alike, apart, alike, apart)):
        planted[8 * at : 8 * at + 8, 8 * at : 8 * at + 8] = block
    models = {
        f"{family}{seed}": (facts(family, seed=seed), names(8))
        for seed in (0, 1)
        for family in ("vit", "resnet")
    }
    found = [one for one in cases(compared(planted, models)) if one.id == "E1-ends"]
    assert [one.networks for one in found] == [("vit0", "resnet0"), ("vit1", "resnet1")]
    assert {one.verdict for one in found} == {"holds"}


def test_what_would_settle_a_claim_is_estimated_from_the_standard_error():
    open_one = case(0.12, error=0.02)
    assert open_one.verdict == "can't tell"
    times = (2 * 0.02 / (0.12 - LEAST)) ** 2
    found = re.search(r"About ([\d.]+) times", open_one.remedy)
    assert found is not None and float(found[1]) == pytest.approx(times, abs=0.11)
    assert "too close" in case(LEAST + 1e-6, error=0.02).remedy
    assert case(0.3).remedy == ""
    nothing = contrast(
        "m", Measurement("a", jackknifed([[1.0]])), Measurement("b", jackknifed([[0.0]])), least=0.1
    )
    assert "no interval" in Case("E1-ends", ("a",), (nothing,)).remedy


def test_verdicts_are_counted_in_words_and_beside_chance():
    assert tally(["holds", "can't tell", "holds"]) == "2 hold, 1 undecided"
    assert tally(["does not hold", "seeds disagree"]) == "1 does not hold, seeds disagree on 1"
    assert tally(["holds before training too"] * 2) == "2 hold before training too"
    assert tally([]) == chance_words([]) == ""
    assert all(tally([one]) for one in VERDICTS)
    assert "1.5" in chance_words(["holds"] * 30)


def test_the_catalogue_has_every_experiment_in_order_and_every_id_once():
    ids = [one.id for one in CLAIMS]
    assert len(set(ids)) == len(ids)
    numbers = [int(one.experiment.removeprefix("E")) for one in CLAIMS]
    assert numbers == sorted(numbers) and set(numbers) == set(range(1, 15))
    assert all(re.fullmatch(r"E\d+-[a-z-]+", id) for id in ids)
    assert len({one.sentence for one in CLAIMS}) == len(CLAIMS)


def test_every_claim_states_what_it_needs_and_the_smallest_difference_that_matters():
    for one in CLAIMS:
        assert one.requirements and one.sentence.endswith(".")
        assert one.least >= 0 and one.unit and one.reason


def test_an_unknown_claim_is_answered_with_the_nearest():
    with pytest.raises(KeyError, match=r"no claim 'E1-end'.*nearest: 'E1-ends'"):
        claim("E1-end")
