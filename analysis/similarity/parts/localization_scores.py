"""Scores of localization: do tokens resemble their own patches most?"""

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
    """Scores of each token's own patch among all patches, (..., T); NaN where it has none.

    Attributes:
        localized: 1 where no patch has a larger CKA, divided among ties, otherwise 0.
        rank: Rank of the own patch, from 1; ties have the mean of their ranks.
        z: CKA with the own patch less the mean of the others, in their standard deviations.
        soft: Weight of the own patch in a softmax of CKA / 0.05 over all patches: close to
            ``localized``, but smooth, so that it has an interval.
    """

    localized: Array
    rank: Array
    z: Array
    soft: Array


@dataclass(frozen=True)
class Scores:
    """Scores of a layer: means of ``TokenScores`` over its tokens.

    By chance, with P patches that vary, ``share`` is 1 / P, ``rank`` (P + 1) / 2, ``z`` 0 and
    ``soft`` 1 / P.

    Attributes:
        numbers: Share, rank, z and soft share, without each batch.
        tokens: Number of tokens in the means.
        left_out: Number of tokens left out, since they or their own patches are constant.
    """

    numbers: Jackknifed
    tokens: int
    patches: int
    left_out: tuple[int, ...]

    @property
    def share(self) -> Estimate:
        """Share of tokens that resemble their own patch most."""
        return self._estimate(0)

    @property
    def rank(self) -> Estimate:
        """Mean rank of the own patch."""
        return self._estimate(1)

    @property
    def z(self) -> Estimate:
        """Mean standard score of the own patch."""
        return self._estimate(2)

    @property
    def soft(self) -> Estimate:
        """Soft share of tokens that resemble their own patch most."""
        return self._estimate(3)

    def _estimate(self, column: int) -> Estimate:
        return self.numbers.estimates[column]


def score(hsics: Hsics, *, own: npt.ArrayLike | None = None) -> Scores:
    """Score a layer, with delete-one-batch jackknife intervals.

    Without a batch, tokens and patches count if they vary in the others.

    Args:
        hsics: HSICs of the layer's tokens with patches.
        own: Index of each token's own patch, (T,); patch i for token i if left out.

    Raises:
        AnalysisError: Fewer than 3 patches vary or no token counts, also without a batch; or
            ``own`` does not fit.
    """
    (every,) = scores(hsics, [slice(None)], own=own)
    return every


def scores(
    hsics: Hsics,
    groups: Groups,
    *,
    own: npt.ArrayLike | None = None,
) -> list[Scores]:
    """Score groups of tokens of a layer, such as those inside the image.

    Args:
        hsics: HSICs of the layer's tokens with patches.
        groups: Mask over the tokens for each group.
        own: Index of each token's own patch, as for ``score``.

    Returns:
        Scores of each group.

    Raises:
        AnalysisError: As for ``score``.
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
    """Score each token.

    CKAs within 2e-6 are tied; a smaller standard deviation of the others counts as 2e-6.

    Args:
        cka: CKA of tokens with patches, (..., T, P); NaN where either is constant.
        own: Index of each token's own patch, as for ``score``.
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
