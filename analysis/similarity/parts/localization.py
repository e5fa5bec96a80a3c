"""Localization: CKA of every token of a layer with every patch of the input.

Raghu et al. (2021), section 5: a layer keeps locations where its tokens resemble their own
patches of the input more than any others.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from seelike.analysis.cores import cores
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.cka import clip_rounding
from seelike.analysis.similarity.gram import CONSTANT, Array, gram
from seelike.analysis.similarity.signature import Float32, packed, unit

# Float32 numbers of the signatures of tokens that are held at a time: 64 MB.
BLOCK = 2**24
# Bytes of the signatures of patches, which are all held.
MOST_BYTES = 2**30
# Pairs of a token and a patch beyond which the HSICs of one batch pass 128 MB.
MOST_PAIRS = 2**24
# Share of all energy at one image, over that of one image that alone is apart: looked into.
NEARLY_ALL = 0.999


@dataclass(frozen=True)
class Signatures:
    """Signatures of all places of one batch; zeros for a place that does not vary.

    Attributes:
        directions: Unit signatures, (places, pairs) float32.
        lengths: Lengths of the signatures, (places,).
    """

    directions: Float32
    lengths: Array


@dataclass(frozen=True)
class Hsics:
    """HSICs of each batch, from which CKA is a ratio of sums.

    A token or patch that does not vary over the images of any batch is constant.

    Attributes:
        crossed: HSICs of tokens with patches, (batches, T, P).
        tokens: HSICs of tokens with themselves, (batches, T).
        patches: HSICs of patches with themselves, (batches, P).
    """

    crossed: Array
    tokens: Array
    patches: Array

    def cka(self) -> Array:
        """Compute minibatch CKA (T, P) of tokens with patches; NaN where either is constant."""
        every_batch = np.ones((1, len(self.crossed)))
        return clip_rounding(weighted_ckas(self, every_batch)[0])

    @property
    def constant_patches(self) -> tuple[int, ...]:
        """Places of constant patches."""
        return tuple(np.flatnonzero(~self.patches.any(axis=0)).tolist())


def localize(tokens: Iterable[npt.ArrayLike], patches: Iterable[npt.ArrayLike]) -> Hsics:
    """Compute HSICs of tokens with patches, batch by batch.

    One batch is in memory at a time; 8 T P bytes per batch are kept.

    Args:
        tokens: Tokens of each batch, (n, T, d) with n >= 4 images.
        patches: Patches of the same images, (n, P, d').

    Raises:
        AnalysisError: Batches do not pair up; or as ``signatures`` and ``batch_hsics``.
    """
    parts = []
    for number, (x, y) in enumerate(zip_longest(tokens, patches)):
        if x is None or y is None:
            missing = "tokens" if x is None else "patches"
            raise AnalysisError(f"batch {number} has no {missing}; give both of every batch")
        parts.append(batch_hsics(x, signatures(y)))
    return concatenate(parts)


def signatures(x: npt.ArrayLike) -> Signatures:
    """Compute the signatures of all places of one batch, as ``signature`` does for one layer.

    A signature has length zero where a place is constant over all images, or over all but one,
    since U-centring leaves nothing of it. Uses 2 n² bytes per place, and every core; limit BLAS to
    one thread.

    Args:
        x: Values, (n, places, d).

    Raises:
        NonFinite: A value is NaN or infinite.
        AnalysisError: ``x`` has another shape, or the signatures take more than 1 GB.
    """
    places = _places(x)
    n, count, _ = places.shape
    if 2 * n**2 * count > MOST_BYTES:
        raise AnalysisError(
            f"signatures of {count} places and {n} images take {2 * n**2 * count / 2**30:.1f} GB, "
            f"at most 1 is held; take smaller batches, a later tap or a coarser grid"
        )
    directions = np.empty((count, n * (n - 1) // 2), np.float32)
    lengths = np.empty(count)

    def sign(place: int) -> None:
        directions[place], lengths[place] = unit(_signature(places[:, place]))

    with ThreadPoolExecutor(cores(), thread_name_prefix="localization") as pool:
        for _ in pool.map(sign, range(count)):
            pass
    return Signatures(directions, lengths)


def batch_hsics(tokens: npt.ArrayLike, patches: Signatures) -> Hsics:
    """Compute HSICs of one batch of tokens with patches, by one product of cosines in float32.

    Memory beside ``patches``: 64 MB of the tokens' signatures, and 8 T P bytes.

    Args:
        tokens: Tokens, (n, T, d).
        patches: Signatures of the patches of the same images.

    Raises:
        AnalysisError: The numbers of images differ, or there are more than 2²⁴ pairs; or as
            ``signatures``.
    """
    x = _places(tokens)
    n, count, _ = x.shape
    others, pairs = patches.directions.shape
    if pairs != n * (n - 1) // 2:
        raise AnalysisError(
            f"tokens of {n} images and patches of {round((2 * pairs) ** 0.5 + 0.5)}; give both of "
            f"the same images"
        )
    if count * others > MOST_PAIRS:
        raise AnalysisError(
            f"{count} tokens and {others} patches are more than {MOST_PAIRS} pairs; take a later "
            f"tap, or group them onto a coarser grid"
        )
    crossed, lengths = np.empty((count, others)), np.empty(count)
    step = max(1, BLOCK // pairs)
    for block in (slice(start, start + step) for start in range(0, count, step)):
        own = signatures(x[:, block])
        crossed[block] = own.directions @ patches.directions.T
        lengths[block] = own.lengths
    crossed *= lengths[:, None] * patches.lengths
    return Hsics(crossed[None], (lengths**2)[None], (patches.lengths**2)[None])


def concatenate(batches: Sequence[Hsics]) -> Hsics:
    """Join the HSICs of several batches; ``AnalysisError`` where their shapes differ."""
    shapes = {batch.crossed.shape[1:] for batch in batches}
    if len(shapes) != 1:
        found = " and ".join(f"{t} tokens x {p} patches" for t, p in sorted(shapes)) or "no batch"
        raise AnalysisError(f"{found}; give at least one batch, all of the same tap")
    return Hsics(
        np.concatenate([batch.crossed for batch in batches]),
        np.concatenate([batch.tokens for batch in batches]),
        np.concatenate([batch.patches for batch in batches]),
    )


def weighted_ckas(hsics: Hsics, weights: Array) -> Array:
    """Compute minibatch CKA with weighted batches.

    Args:
        hsics: HSICs of the batches.
        weights: How often each batch counts, (n, batches).

    Returns:
        CKA, (n, T, P); NaN where the token or the patch does not vary in the counted batches.
    """
    drawn = np.tensordot(weights, hsics.crossed, axes=1)
    for own, axis in ((hsics.tokens, 2), (hsics.patches, 1)):
        total = weights @ own
        drawn /= np.expand_dims(np.sqrt(np.where(total > 0, total, np.nan)), axis)
    return np.asarray(drawn)


def _places(x: npt.ArrayLike) -> npt.NDArray[np.floating]:
    places = np.asarray(x)
    if places.ndim != 3 or len(places) < 4 or places.size == 0:
        raise AnalysisError(
            f"tokens or patches of shape {places.shape}, expected (images, places, features) with "
            f"at least 4 images"
        )
    return places


def _signature(x: npt.NDArray[np.floating]) -> Array:
    """The signature of one place (n, d), exactly zero where it varies in a single image."""
    kernel = gram(x)
    energies = np.diag(kernel)
    n, far = len(x), int(energies.argmax())
    # One image alone apart has 1 - 1 / n of the energy, and a U-centred Gram of mere rounding.
    if energies[far] >= NEARLY_ALL * (1 - 1 / n) * energies.sum():
        rest = np.delete(x, far, axis=0).astype(np.float64)
        apart = rest - rest.mean(axis=0)
        if np.vdot(apart, apart) <= CONSTANT * np.vdot(rest, rest):
            kernel = np.zeros_like(kernel)
    return packed(kernel)
