"""How well a layer keeps locations, as numbers: do tokens resemble their own patches most?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError
from analysis.similarity.gram import Array
from analysis.similarity.intervals import LEVEL, REPEATS, SEED, Estimate, resamples
from analysis.similarity.localization import Hsics, resampled_ckas

# CKAs that differ by no more are tied: their float32 products leave as much to rounding.
TIE = 2e-6
# Float64 numbers of the resampled CKAs that are held at a time: 16 MB.
HELD = 2**21
# One patch of one's own, and two others to differ from.
FEWEST_PATCHES = 3

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class TokenScores:
    """What each token's own patch is among all patches: arrays (..., T), NaN where it has none.

    ``localized`` is 1 where no patch has a larger CKA, shared with those tied, and else 0;
    ``rank`` counts from 1, and those tied share the mean of their ranks; ``z`` is how many
    standard deviations of the other patches' CKA the own one is above their mean.
    """

    localized: Array
    rank: Array
    z: Array


@dataclass(frozen=True)
class Scores:
    """How well a layer keeps locations: means over its tokens of ``TokenScores``.

    Of P patches that vary, chance is a ``share`` of 1 / P, a ``rank`` of (P + 1) / 2, ``z`` 0.
    ``tokens`` of them count; ``left_out`` do not: they, or their own patches, are constant.
    """

    share: Estimate
    rank: Estimate
    z: Estimate
    tokens: int
    patches: int
    left_out: tuple[int, ...]


def score(
    hsics: Hsics,
    *,
    own: npt.ArrayLike | None = None,
    repeats: int = REPEATS,
    level: float = LEVEL,
    seed: int = SEED,
) -> Scores:
    """The scores of a layer, with bootstrap intervals over its batches.

    ``own`` (T,) is the index of each token's own patch; without it token i's is patch i. In a
    resample the tokens and patches count that vary in it. An interval has the spread of the
    resamples, its middle moved from their median to the value: they repeat batches, and the
    noise of fewer images makes any token's own patch stand out less. Raises ``AnalysisError``
    where fewer than 3 patches vary or no token counts, and for other ``own``.
    """
    _, tokens, others = hsics.crossed.shape
    places = _checked(own, tokens=tokens, patches=others)
    patches = others - len(hsics.constant_patches)
    cka = hsics.cka()
    counted = np.isfinite(cka[np.arange(tokens), places])
    if patches < FEWEST_PATCHES or not counted.any():
        raise AnalysisError(
            f"{patches} patches and {int(counted.sum())} tokens with a patch of their own vary "
            f"over the images, scores need at least {FEWEST_PATCHES} and 1; take more images"
        )
    share, rank, z = _means(cka[None], places)[0]
    drawn = _resampled(hsics, places, repeats=repeats, seed=seed)
    left_out = tuple(np.flatnonzero(~counted).tolist())
    return Scores(
        share=_estimate(share, drawn[:, 0], level, least=0, most=1),
        rank=_estimate(rank, drawn[:, 1], level, least=1, most=patches),
        z=_estimate(z, drawn[:, 2], level),
        tokens=int(counted.sum()),
        patches=patches,
        left_out=left_out,
    )


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
    return TokenScores(
        localized=np.where(known, (larger == 0) / np.maximum(tied, 1), np.nan),
        rank=np.where(known, 1 + larger + (tied - 1) / 2, np.nan),
        z=np.where(known, -mean / np.maximum(spread, TIE), np.nan),
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


def _means(cka: Array, own: Places) -> Array:
    """Share, rank and z (resamples, 3): means over the tokens that vary, NaN where none does."""
    scores = token_scores(cka, own=own)
    columns = np.stack([scores.localized, scores.rank, scores.z], axis=-1)
    known = np.isfinite(columns)  # The same tokens in all three.
    count = known.sum(axis=1)
    total = np.where(known, columns, 0.0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _resampled(hsics: Hsics, own: Places, *, repeats: int, seed: int) -> Array:
    """``_means`` of every resample of the batches in which a token varies; none of one batch."""
    batches, tokens, patches = hsics.crossed.shape
    if batches < 2:
        return np.empty((0, 3))
    weights = resamples(batches, repeats=repeats, seed=seed)
    step = max(1, HELD // (tokens * patches))
    drawn = np.concatenate(
        [
            _means(resampled_ckas(hsics, weights[start : start + step]), own)
            for start in range(0, repeats, step)
        ]
    )
    return np.asarray(drawn[np.isfinite(drawn).all(axis=1)])


def _estimate(
    value: float, drawn: Array, level: float, *, least: float = -np.inf, most: float = np.inf
) -> Estimate:
    """``value`` with the spread of ``drawn`` around it, within the bounds of what is measured."""
    if not len(drawn):
        return Estimate(float(value))
    ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    low, high = np.clip(value + ends - np.median(drawn), least, most)
    return Estimate(float(value), float(low), float(high))
