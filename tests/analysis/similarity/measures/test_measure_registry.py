"""What all measures promise: names, invariances, permutations, and errors in place of numbers."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import NonFinite, cka
from seelike.analysis.similarity.measures import (
    MEASURES,
    Constant,
    FitMeasure,
    PairMeasure,
    Undefined,
    measure,
    pair_measure,
    pwcca,
    rbf,
    similarity,
    svcca,
)
from seelike.analysis.similarity.significance.permutations import permute_signatures

NAMES = ["cka", "cka_rbf", "rsa", "mutual_knn", "procrustes", "svcca", "pwcca", "predictivity"]
# Over all images at once: these take no batches, and are cka() on arrays.
ALL_IMAGES = {
    "cka_exact": ("debiased", "linear"),
    "cka_biased": ("biased", "linear"),
    "cka_rbf_exact": ("debiased", "rbf"),
    "cka_rbf_biased": ("biased", "rbf"),
}
PAIRS = ["cka", "cka_rbf", "rsa", "mutual_knn"]
FITS = ["procrustes", "svcca", "pwcca", "predictivity"]
ROTATED = [name for name in NAMES if name != "rsa"]
SHIFTED = [name for name in NAMES if name not in ("rsa", "mutual_knn")]
# Measures that take any invertible map of the first, of the second tap as no change.
INVERTED_FIRST, INVERTED_SECOND = ["svcca"], ["svcca", "pwcca"]


def pair(seed: int, n: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Two taps that share some of what they show, with components that no measure cuts."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 7))
    return x, np.tanh(x @ rng.normal(size=(7, 6))) + 0.5 * rng.normal(size=(n, 6))


def rotation(seed: int, p: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(p, p)))[0]


def stretch(seed: int, p: int) -> np.ndarray:
    """An invertible map with singular values 1 to 2."""
    return rotation(seed, p) @ np.diag(np.linspace(1, 2, p)) @ rotation(seed + 1, p)


def test_the_registry_is_complete_and_each_measure_says_where_it_comes_from() -> None:
    assert sorted(MEASURES) == sorted([*NAMES, *ALL_IMAGES, "cka_deconfounded"])
    for name, one in MEASURES.items():
        assert one.name == name
        assert one.title
        assert any(c.isdigit() for c in one.source)
    assert [n for n in NAMES if isinstance(MEASURES[n], PairMeasure)] == PAIRS
    assert [n for n in PAIRS if MEASURES[n].weighted] == ["cka", "cka_rbf"]  # type: ignore[union-attr]
    fits = {n: m.symmetric for n, m in MEASURES.items() if isinstance(m, FitMeasure)}
    assert fits == {"procrustes": True, "svcca": True, "pwcca": False, "predictivity": False}


def test_an_unknown_measure_is_an_error_with_the_nearest() -> None:
    with pytest.raises(AnalysisError, match=r"'procrutes' is not one of .*; nearest: 'procrustes'"):
        measure("procrutes")
    with pytest.raises(AnalysisError, match="nearest: 'svcca'"):
        similarity(*pair(0), measure="scca")


@pytest.mark.parametrize("name", ALL_IMAGES)
def test_measures_over_all_images_are_cka_of_that_estimator_and_kernel(name: str) -> None:
    x, y = pair(1)
    estimator, kernel = ALL_IMAGES[name]
    expected = cka(x, y, estimator=estimator, kernel=kernel)
    assert similarity(x, y, measure=name) == expected
    assert measure(name).reads_activations


def test_a_width_is_part_of_a_name() -> None:
    x, y = pair(2)
    assert similarity(x, y, measure="cka_rbf:0.2") == similarity(x, y, measure=rbf(0.2))
    wide = similarity(x, y, measure="cka_rbf_exact:3")
    assert wide == cka(x, y, kernel="rbf", width=3.0)
    with pytest.raises(AnalysisError, match="'wide' is no width, expected a multiple"):
        measure("cka_rbf:wide")
    with pytest.raises(AnalysisError, match="only RBF kernels have a width; write 'rsa'"):
        measure("rsa:2")
    with pytest.raises(AnalysisError, match="above 0"):
        measure("cka_rbf_biased:-1")


def test_deconfounding_needs_the_images() -> None:
    with pytest.raises(AnalysisError, match="needs the images beside the activations"):
        similarity(*pair(0), measure="cka_deconfounded")


@pytest.mark.parametrize("name", PAIRS)
def test_vectors_are_as_long_as_the_measure_says(name: str) -> None:
    for n in (16, 25):
        assert len(pair_measure(name).vector(pair(0, n)[0])) == pair_measure(name).pairs.length(n)
    with pytest.raises(TypeError, match="procrustes compares no vectors"):
        pair_measure("procrustes")


@pytest.mark.parametrize("name", NAMES)
def test_measures_and_what_they_prepare_travel_between_processes(name: str) -> None:
    x, y = pair(3)
    one = pickle.loads(pickle.dumps(MEASURES[name]))
    if isinstance(one, FitMeasure):
        a, b = (pickle.loads(pickle.dumps(one.prepare(side))) for side in (x, y))
        assert one.compare(a, b) == similarity(x, y, measure=name)
    else:
        np.testing.assert_array_equal(one.vector(x), MEASURES[name].vector(x))  # type: ignore[union-attr]


def test_cka_of_the_registry_is_the_unbiased_one() -> None:
    x, y = pair(0)
    assert similarity(x, y) == pytest.approx(cka(x, y), abs=1e-14)
    assert similarity(x, y, measure="cka_rbf") == pytest.approx(cka(x, y, kernel="rbf"), abs=1e-14)


def test_the_rbf_width_is_a_setting() -> None:
    x, y = pair(0)
    values = [similarity(x, y, measure=rbf(width)) for width in (0.2, 0.5, 50.0)]
    assert values[1] == similarity(x, y, measure="cka_rbf")
    # A wide kernel is linear in the squared distances, as the linear kernel is.
    assert values[2] == pytest.approx(similarity(x, y), abs=1e-3)
    assert abs(values[0] - values[1]) > 0.01
    for width in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(AnalysisError, match="above 0"):
            rbf(width)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(24, 40))
def test_one_on_itself(name: str, seed: int, n: int) -> None:
    x, _ = pair(seed, n)
    # Ridge regression shrinks even what it explains: never quite 1.
    tolerance = 1e-6 if name == "predictivity" else 1e-12
    assert similarity(x, x, measure=name) == pytest.approx(1.0, abs=tolerance)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_symmetric_where_it_says_so_and_nowhere_else(name: str, seed: int) -> None:
    x, y = pair(seed)
    one = MEASURES[name]
    there, back = similarity(x, y, measure=name), similarity(y, x, measure=name)
    if isinstance(one, PairMeasure) or one.symmetric:
        assert there == pytest.approx(back, abs=1e-12)
    else:
        assert abs(there - back) > 1e-6


@pytest.mark.parametrize("name", ROTATED)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_invariant_to_rotation(name: str, seed: int) -> None:
    x, y = pair(seed)
    turned = similarity(x @ rotation(seed, 7), y @ rotation(seed + 1, 6), measure=name)
    assert turned == pytest.approx(similarity(x, y, measure=name), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-6, 1e6))
def test_invariant_to_isotropic_scale(name: str, seed: int, scale: float) -> None:
    x, y = pair(seed)
    scaled = similarity(scale * x, y / scale, measure=name)
    assert scaled == pytest.approx(similarity(x, y, measure=name), abs=1e-9)


@pytest.mark.parametrize("name", SHIFTED)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(-100, 100))
def test_invariant_to_shift(name: str, seed: int, shift: float) -> None:
    x, y = pair(seed)
    moved = similarity(x + shift * np.arange(7), y - shift, measure=name)
    assert moved == pytest.approx(similarity(x, y, measure=name), abs=1e-8)


@pytest.mark.parametrize("name", ["rsa", "mutual_knn"])
def test_a_shift_of_the_features_is_seen_by_measures_that_do_not_centre(name: str) -> None:
    x, y = pair(0)
    moved = similarity(x + np.arange(7), y, measure=name)
    assert abs(moved - similarity(x, y, measure=name)) > 0.02


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_invertible_maps_are_seen_by_all_but_canonical_correlations(name: str, seed: int) -> None:
    x, y = pair(seed)
    # With all components kept: a map may bring one below 99 % of the variance.
    one = {"svcca": svcca(1.0), "pwcca": pwcca(1.0)}.get(name, name)
    plain = similarity(x, y, measure=one)
    first = similarity(x @ stretch(seed, 7), y, measure=one)
    second = similarity(x, y @ stretch(seed, 6), measure=one)
    for value, same in ((first, name in INVERTED_FIRST), (second, name in INVERTED_SECOND)):
        if same:
            assert value == pytest.approx(plain, abs=1e-9)
        elif name != "mutual_knn":  # Its values are multiples of 1 / 320: a chance to stay.
            assert abs(value - plain) > 1e-7


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_permuting_the_images_of_both_leaves_the_value(name: str, seed: int) -> None:
    x, y = pair(seed)
    order = np.random.default_rng(seed).permutation(32)
    if name == "predictivity":  # It holds for images that stay in their half.
        order = np.ravel([[2 * a, 2 * b + 1] for a, b in np.argsort(order.reshape(2, 16)).T])
    permuted = similarity(x[order], y[order], measure=name)
    assert permuted == pytest.approx(similarity(x, y, measure=name), abs=1e-10)


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(12, 30))
def test_permute_does_to_vectors_what_permuted_images_do(name: str, seed: int, n: int) -> None:
    x, y = pair(seed, n)
    one = measure(name)
    assert isinstance(one, PairMeasure)
    order = np.random.default_rng(seed).permutation(n)
    vectors = np.stack([one.vector(x), one.vector(y)])
    assert vectors.dtype == np.float64
    expected = np.stack([one.vector(x[order]), one.vector(y[order])])
    np.testing.assert_allclose(
        permute_signatures(vectors, order, pairs=one.pairs), expected, atol=1e-10
    )
    single = permute_signatures(vectors[0].astype(np.float32), order, pairs=one.pairs)
    np.testing.assert_allclose(single, expected[0], atol=1e-6)
    assert single.dtype == np.float32


@pytest.mark.parametrize("name", PAIRS)
def test_only_permutations_permute(name: str) -> None:
    x, _ = pair(0, 20)
    one = measure(name)
    assert isinstance(one, PairMeasure)
    with pytest.raises(AnalysisError, match="no permutation of 0 to 19"):
        permute_signatures(one.vector(x), np.zeros(20, int), pairs=one.pairs)
    with pytest.raises(AnalysisError, match="19 images"):
        permute_signatures(one.vector(x), np.arange(19), pairs=one.pairs)


@pytest.mark.parametrize("name", FITS)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(24, 40))
def test_what_was_prepared_is_shuffled_as_the_images_are(name: str, seed: int, n: int) -> None:
    x, y = pair(seed, n)
    one = measure(name)
    assert isinstance(one, FitMeasure)
    order = np.random.default_rng(seed).permutation(n)
    shuffled = one.permute(one.prepare(y), order)
    expected = one.compare(one.prepare(x), one.prepare(y[order]))
    assert one.compare(one.prepare(x), shuffled) == pytest.approx(expected, abs=1e-9)
    if one.quick:
        assert one.quick(one.prepare(x), shuffled) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("harm", "tolerance"),
    [
        (lambda x: x * np.float32(1e-20), 1e-5),
        (lambda x: x * np.float32(1e20), 1e-5),
        # The mean is 1e4 standard deviations: the activations themselves lose 3 digits of 7.
        (lambda x: x + np.float32(1e4), 5e-3),
    ],
    ids=["tiny", "huge", "large mean"],
)
def test_hostile_float32_activations_lose_no_digits(
    name: str, harm: Callable[[np.ndarray], np.ndarray], tolerance: float
) -> None:
    x, y = (side.astype(np.float32) for side in pair(4))
    harmed = harm(x)
    if name == "mutual_knn":  # Not shift invariant; the reference has the same activations.
        exact = harmed.astype(np.float64) / float(np.abs(harmed).max())
        assert similarity(harmed, y, measure=name) == similarity(exact, y, measure=name)
    else:
        assert similarity(harmed, y, measure=name) == pytest.approx(
            similarity(x, y, measure=name), abs=tolerance
        )


@pytest.mark.parametrize("name", NAMES)
def test_many_features_go_through_in_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pair(5)
    whole = similarity(x, y, measure=name)
    monkeypatch.setattr("seelike.analysis.similarity.measures.features.HELD", 64)
    assert similarity(x, y, measure=name) == pytest.approx(whole, abs=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_the_shape_of_features_and_their_number_do_not_matter(name: str) -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(32, 3)) @ rng.normal(size=(3, 60)) + 0.01 * rng.normal(size=(32, 60))
    y = rng.normal(size=(32, 4)) + x[:, :4]
    value = similarity(x, y, measure=name)
    assert similarity(x.reshape(32, 3, 4, 5), y.reshape(32, 2, 2), measure=name) == value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e4], ids=str)
def test_constant_activations_are_an_error_on_either_side(name: str, constant: float) -> None:
    x, y = pair(0)
    still = np.full_like(x, constant)
    for sides in ((still, y), (x, still), (still.astype(np.float32), y)):
        with pytest.raises(Constant, match="do not vary over the 32 images"):
            similarity(*sides, measure=name)
    pattern = np.tile(x[:1], (32, 1))
    with pytest.raises(Constant):
        similarity(pattern, y, measure=name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_activations_that_are_not_finite_are_an_error(name: str, value: float) -> None:
    x, y = pair(0)
    x[11, 5] = x[9, 6] = value
    for dtype in (np.float32, np.float64):
        with pytest.raises(NonFinite) as error:
            similarity(y, x.astype(dtype), measure=name)
        assert error.value.row == 9


@pytest.mark.parametrize("name", NAMES)
def test_shapes_that_mean_nothing_are_an_error(name: str) -> None:
    x, y = pair(0)
    with pytest.raises(AnalysisError, match="same images"):
        similarity(x, y[:20], measure=name)
    with pytest.raises(AnalysisError, match="at least 4"):
        similarity(x[:3], y[:3], measure=name)
    for shape in ((32,), (32, 0)):
        with pytest.raises(AnalysisError, match="features"):
            similarity(np.ones(shape), np.ones(shape), measure=name)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("rsa", "mutual_knn")])
def test_a_single_feature_is_enough(name: str) -> None:
    x, y = pair(0)
    assert similarity(x[:, :1], x[:, :1] * -2 + 5, measure=name) == pytest.approx(1.0, abs=1e-6)
    assert similarity(x[:, :1], y[:, :1], measure=name) < 0.99


@pytest.mark.parametrize(("name", "needs"), [("rsa", 3), ("mutual_knn", 2)])
def test_too_few_features_are_an_error(name: str, needs: int) -> None:
    x, y = pair(0)
    message = f"at least {needs} features, the tap has {needs - 1}.*another measure"
    with pytest.raises(Undefined, match=message):
        similarity(x[:, : needs - 1], y, measure=name)
    assert -1 <= similarity(x[:, :needs], y, measure=name) <= 1


@pytest.mark.parametrize("name", ["cka", "cka_rbf", "rsa", "procrustes", "svcca", "pwcca"])
def test_duplicated_images_are_images(name: str) -> None:
    x, y = (np.repeat(side[:16], 2, axis=0) for side in pair(7))
    value = similarity(x, y, measure=name)
    order = np.random.default_rng(0).permutation(32)
    assert similarity(x[order], y[order], measure=name) == pytest.approx(value, abs=1e-10)
    assert similarity(x, x, measure=name) == pytest.approx(1.0, abs=1e-12)
    assert value < 0.999


def test_half_of_the_images_alike_leaves_the_rbf_kernel_without_a_unit() -> None:
    x, y = pair(0)
    x[:24] = x[0]
    with pytest.raises(Undefined, match=r"more than half of the 32 x 32 distances.*use cka"):
        similarity(x, y, measure="cka_rbf")
    assert np.isfinite(similarity(x, y, measure="cka"))
