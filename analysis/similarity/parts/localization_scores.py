"""How well a layer keeps locations, as numbers: do tokens resemble their own patches most?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.cka_intervals import batch_groups
from seelike.analysis.similarity.intervals.estimate import Estimate
from seelike.analysis.similarity.intervals.jackknife import Jackknifed
from seelike.analysis.similarity.parts.localization import Hsics, weighted_ckas

# CKAs that differ by no more are tied: their float32 products leave as much to rounding.
TIE = 2e-6
# CKA by which a patch has to lead to count as the most similar, softly: what matters elsewhere.
SOFT = 0.05
# One patch of one's own, and two others to differ from.
FEWEST_PATCHES = 3

Places = npt.NDArray[np.intp]
Groups = Sequence[slice | Places]


@dataclass(frozen=True)
class TokenScores:
    """What each token's own patch is among all patches: arrays (..., T), NaN where it has none.

    ``localized`` is 1 where no patch has a larger CKA, shared with those tied, and else 0;
    ``rank`` counts from 1, and those tied share the mean of their ranks; ``z`` is how many
    standard deviations of the other patches' CKA the own one is above their mean. ``soft`` is the
    weight of the own patch in a softmax over all, of CKA / 0.05: nearly ``localized``, but smooth,
    so that it has an interval.
    """

    localized: Array
    rank: Array
    z: Array
    soft: Array


@dataclass(frozen=True)
class Scores:
    """How well a layer keeps locations: means over its tokens of ``TokenScores``.

    Of P patches that vary, chance is a ``share`` of 1 / P, a ``rank`` of (P + 1) / 2, ``z`` 0, a
    ``soft`` share of 1 / P. ``numbers`` are these four, in this order. ``tokens`` of them count;
    ``left_out`` do not: they, or their own patches, are constant.
    """

    numbers: Jackknifed
    tokens: int
    patches: int
    left_out: tuple[int, ...]

    @property
    def share(self) -> Estimate:
        """The share of tokens that resemble their own patch most."""
        return self._estimate(0)

    @property
    def rank(self) -> Estimate:
        """The mean rank of the own patch."""
        return self._estimate(1)

    @property
    def z(self) -> Estimate:
        """The mean standard score of the own patch."""
        return self._estimate(2)

    @property
    def soft(self) -> Estimate:
        """The soft share: how clearly tokens resemble their own patch most."""
        return self._estimate(3)

    def _estimate(self, column: int) -> Estimate:
        return self.numbers.estimates[column]


def score(hsics: Hsics, *, own: npt.ArrayLike | None = None) -> Scores:
    """The scores of a layer, with intervals by leaving out each of its batches.

    ``own`` (T,) is the index of each token's own patch; without it token i's is patch i. Without
    a batch the tokens and patches count that vary in the others. Raises ``AnalysisError`` where
    fewer than 3 patches vary or no token counts, without a batch too, and for other ``own``.
    """
    (every,) = scores(hsics, [slice(None)], own=own)
    return every


def scores(
    hsics: Hsics,
    groups: Groups,
    *,
    own: npt.ArrayLike | None = None,
) -> list[Scores]:
    """The scores of each of ``groups`` of tokens, such as those inside; else as ``score``.

    The ``tokens`` and ``left_out`` of each are counted within all tokens.
    """
    _, tokens, others = hsics.crossed.shape
    places = _checked(own, tokens=tokens, patches=others)
    patches = others - len(hsics.constant_patches)
    cka = hsics.cka()
    known = np.isfinite(cka[np.arange(tokens), places])
    for group in groups:
        if patches < FEWEST_PATCHES or not known[group].any():
            raise AnalysisError(
                f"{patches} patches and {int(known[group].sum())} tokens with a patch of their own "
                f"vary over the images, scores need at least {FEWEST_PATCHES} and 1; take more "
                "images"
            )
    values = _means(cka[None], places, groups)[0]
    left_out = batch_groups(len(hsics.crossed), None)
    without = None if left_out is None else _without(hsics, places, groups)
    each = np.arange(tokens)
    return [
        Scores(
            numbers=Jackknifed(values[at], None if without is None else without[:, at], left_out),
            tokens=int(known[group].sum()),
            patches=patches,
            left_out=tuple(each[group][~known[group]].tolist()),
        )
        for at, group in enumerate(groups)
    ]


def token_scores(cka: Array, *, own: npt.ArrayLike | None = None) -> TokenScores:
    """The scores of each token from CKAs (..., T, P), NaN where a token or patch is constant.

    ``own`` as in ``score``. CKAs within 2e-6 are tied; a standard deviation of the others below
    that counts as that.
    """
    places = _checked(own, tokens=cka.shape[-2], patches=cka.shape[-1])
    index = np.broadcast_to(places[:, None], (*cka.shape[:-1], 1))
    mine = np.take_along_axis(cka, index, axis=-1)
    above = cka - mine
    larger = (above > TIE).sum(axis=-1)
    tied = (np.abs(above) <= TIE).sum(axis=-1)  # The own one among them.
    others = np.isfinite(above)
    np.put_along_axis(others, index, False, axis=-1)
    count = np.maximum(others.sum(axis=-1), 1)
    mean = np.where(others, above, 0.0).sum(axis=-1) / count
    apart = np.where(others, above - mean[..., None], 0.0)
    spread = np.sqrt((apart**2).sum(axis=-1) / count)
    known = np.isfinite(mine[..., 0])
    leads = np.exp(np.where(np.isfinite(above), above, -np.inf) / SOFT).sum(axis=-1)
    return TokenScores(
        localized=np.where(known, (larger == 0) / np.maximum(tied, 1), np.nan),
        rank=np.where(known, 1 + larger + (tied - 1) / 2, np.nan),
        z=np.where(known, -mean / np.maximum(spread, TIE), np.nan),
        soft=np.where(known, 1.0 / np.where(known, leads, 1.0), np.nan),
    )


def _checked(own: npt.ArrayLike | None, *, tokens: int, patches: int) -> Places:
    """The index of each token's own patch."""
    if own is None:
        if tokens != patches:
            raise AnalysisError(
                f"{tokens} tokens and {patches} patches: give 'own', the index of each token's own "
                f"patch, or patches on the grid of the tokens"
            )
        return np.arange(tokens)
    places = np.asarray(own)
    if places.shape != (tokens,) or not np.issubdtype(places.dtype, np.integer):
        raise AnalysisError(
            f"'own' of shape {places.shape} and type {places.dtype}, expected an index of a patch "
            f"for each of {tokens} tokens"
        )
    if places.min() < 0 or places.max() >= patches:
        wrong = places[(places < 0) | (places >= patches)][0]
        raise AnalysisError(f"own patch {wrong}, expected 0 to {patches - 1}")
    return places.astype(np.intp)


def _means(cka: Array, own: Places, groups: Groups) -> Array:
    """Share, rank, z, soft share (n, groups, 4): means over a group's tokens that vary, or NaN."""
    found = token_scores(cka, own=own)
    columns = np.stack([found.localized, found.rank, found.z, found.soft], axis=-1)
    known = np.isfinite(columns)  # The same tokens in all three.
    means = []
    for group in groups:
        count = known[:, group].sum(axis=1)
        total = np.where(known[:, group], columns[:, group], 0.0).sum(axis=1)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return np.stack(means, axis=1)


def _without(hsics: Hsics, own: Places, groups: Groups) -> Array:
    """``_means`` without each batch: (batches, groups, 4)."""
    kept = 1 - np.eye(len(hsics.crossed))
    left = np.concatenate([_means(weighted_ckas(hsics, one[None]), own, groups) for one in kept])
    if not np.isfinite(left).all():
        raise AnalysisError(
            "in some batches no token or no patch of its own varies, so that there is no "
            "interval; take more images"
        )
    return left
