"""Images in blocks, for sums over all of them out of core: layout, centring, plans, the sums.

``read(tap, block)`` gives activations as a new float32 array (images, features), which is changed
in place; reading may hold one more copy of the block. ``run(steps)`` runs independent steps, at
most ``workers`` at once, and gives their results in order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.cka import DegenerateTaps
from seelike.analysis.similarity.gram import CONSTANT, Array

Float32 = npt.NDArray[np.float32]
Bounds = tuple[int, int]
Read = Callable[[int, int], Float32]
Result = TypeVar("Result")

# Images that a block of small statistical batches is joined to: products of this size are fast.
BLOCK = 256
GROUPS = 16
# The interpreter with its libraries, and what the allocator keeps.
PROCESS_BYTES = 400_000_000
# Reading, checking and centring a float32's byte takes as long as this many multiply-adds.
MULTIPLY_ADDS_A_BYTE = 64


class Run(Protocol):
    """Runs independent steps, possibly in parallel, and gives their results in order."""

    def __call__(self, steps: Sequence[Callable[[], Result]]) -> list[Result]:
        """Run ``steps`` and return their results."""


@dataclass(frozen=True)
class Layout:
    """Layout of taps and images.

    Attributes:
        features: Features of each tap.
        blocks: (start, stop) of each block of images, which is read at once.
        groups: Jackknife group of each block.
        batches: Statistical batches of each block.
        workers: Most steps that run at once.
    """

    features: tuple[int, ...]
    blocks: tuple[Bounds, ...]
    groups: tuple[int, ...]
    batches: tuple[range, ...]
    workers: int

    @property
    def images(self) -> int:
        """Number of images."""
        return self.blocks[-1][1]

    @property
    def largest(self) -> int:
        """Images of the largest block."""
        return max(stop - start for start, stop in self.blocks)

    @property
    def group_count(self) -> int:
        """Number of jackknife groups."""
        return self.groups[-1] + 1

    def images_of(self, block: int) -> slice:
        """The images of one block."""
        return slice(*self.blocks[block])

    def blocks_of(self, group: int) -> range:
        """The blocks of one jackknife group."""
        first = self.groups.index(group)
        return range(first, first + self.groups.count(group))

    def images_of_group(self, group: int) -> slice:
        """The images of one jackknife group."""
        own = self.blocks_of(group)
        return slice(self.blocks[own[0]][0], self.blocks[own[-1]][1])

    def held_bytes(self, *, workers: int) -> int:
        """Bytes that every plan holds beside its own: means, sums, and the end's temporaries.

        ``PROCESS_BYTES`` + 4 P + 24 w p + 8 T n (G + 5) + 8 T² (3 G + 12) for T taps of P
        features together and at most p each, n images in G groups, and w workers.
        """
        taps, groups = len(self.features), self.group_count
        return (
            PROCESS_BYTES
            + 4 * sum(self.features)
            + 24 * workers * max(self.features)
            + 8 * taps * self.images * (groups + 5)
            + 8 * taps**2 * (3 * groups + 12)
        )


def layout(bounds: Sequence[Bounds], features: Sequence[int], *, workers: int) -> Layout:
    """Join statistical batches to blocks, and blocks to at most 16 groups of similar size.

    A block of several batches has at most 256 images.

    Args:
        bounds: (start, stop) of every batch.
        features: Features of each tap.
        workers: Most steps that run at once.
    """
    images, count = bounds[-1][1], min(GROUPS, len(bounds))
    middles = np.array([(start + stop) / 2 for start, stop in bounds])
    share = np.arange(len(bounds)) if count == len(bounds) else middles * count // images
    group = np.unique(share, return_inverse=True)[1].tolist()
    batches = [range(0, 1)]
    for batch in range(1, len(bounds)):
        last = batches[-1]
        small = bounds[batch][1] - bounds[last[0]][0] <= BLOCK
        if small and group[batch] == group[last[0]]:
            batches[-1] = range(last[0], batch + 1)
        else:
            batches.append(range(batch, batch + 1))
    return Layout(
        features=tuple(features),
        blocks=tuple((bounds[own[0]][0], bounds[own[-1]][1]) for own in batches),
        groups=tuple(group[own[0]] for own in batches),
        batches=tuple(batches),
        workers=workers,
    )


@dataclass(frozen=True)
class Sums:
    """Sums over pairs of images of the kernels of all taps, from which every HSIC follows.

    A kernel may be off by a_i + a_j, which centring and U-centring remove.

    Attributes:
        diagonal: k_ii, (T, n) float64.
        rows: Sum of k_ij over the j != i of a group, (T, G, n) float64.
        products: Sum of k_ij l_ij over all i != j, (T, T) float64.
        lost: Part of ``products`` with i or j in a group, (G, T, T) float64.
        shuffled: Products with the images of the second tap permuted, (R, T, T) float32.
    """

    layout: Layout
    diagonal: Array
    rows: Array
    products: Array
    lost: Array
    shuffled: Float32


@dataclass(frozen=True)
class Plan:
    """A way to compute ``Sums``, with its peak memory and its cost."""

    way: str
    peak: int
    workers: int
    multiply_adds: float
    bytes_read: float
    sums: Callable[[Read, Run], Sums]

    @property
    def cost(self) -> float:
        """Multiply-adds in float32 that one worker does, bytes read counted as such."""
        return (self.multiply_adds + MULTIPLY_ADDS_A_BYTE * self.bytes_read) / self.workers


def cheapest_plan(plans: Sequence[Plan], *, memory: int) -> Plan:
    """Choose the cheapest plan within ``memory`` bytes, or the one of least peak if none fits."""
    fitting = [plan for plan in plans if plan.peak <= memory]
    if not fitting:
        return min(plans, key=lambda plan: plan.peak)
    return min(fitting, key=lambda plan: (plan.cost, plan.peak))


@dataclass(frozen=True)
class Centre:
    """Mean (features,) of one tap over all images, and a power of two as scale.

    The mean is rounded to float32. The rounding shifts all images alike, which changes no
    estimator, and constant features become exact zeros.
    """

    scale: np.float32
    mean: Float32

    def take_out(self, x: Float32) -> Float32:
        """Scale and centre ``x`` (images, features) in place."""
        x *= self.scale
        x -= self.mean
        return x


@dataclass(frozen=True)
class Images:
    """Images of all taps, read by block and centred over all images."""

    read: Read
    layout: Layout
    centres: Sequence[Centre]

    def block(self, tap: int, block: int) -> Float32:
        """The centred images (images, features) of one block."""
        return self.centres[tap].take_out(self.read(tap, block))

    def energies(self, tap: int) -> Array:
        """Squared lengths (n,) of the centred images."""
        lengths = np.empty(self.layout.images)
        for block in range(len(self.layout.blocks)):
            lengths[self.layout.images_of(block)] = squares(self.block(tap, block))
        return lengths

    def check_varying(self, energies: Array) -> None:
        """Raise ``DegenerateTaps`` for taps whose centred ``energies`` (T, n) are rounding."""
        means = [np.square(one.mean, dtype=np.float64).sum() for one in self.centres]
        centred = energies.sum(axis=1)
        raw = centred + energies.shape[1] * np.array(means)
        constant = np.flatnonzero(centred <= CONSTANT * raw)
        if len(constant):
            raise DegenerateTaps([int(tap) for tap in constant])


def centred_images(read: Read, run: Run, of: Layout) -> Images:
    """Prepare the images of all taps; reads everything once to compute the means in float64."""
    steps = [partial(_centre, read, of, tap) for tap in range(len(of.features))]
    return Images(read, of, run(steps))


def squares(x: Float32) -> Array:
    """Squared lengths (images,) of the rows of ``x``, summed in float64."""
    return np.asarray(np.einsum("ij,ij->i", x, x, dtype=np.float64))


def _centre(read: Read, of: Layout, tap: int) -> Centre:
    total, largest = np.zeros(of.features[tap]), 0.0
    for block in range(len(of.blocks)):
        largest = max(largest, _add(read(tap, block), total))
    # Powers of two are exact; within these bounds float32 holds 2^e and 2^-e.
    scale = 2.0 ** -np.clip(np.frexp(largest)[1], -126, 126)
    total *= scale / of.images
    return Centre(np.float32(scale), total.astype(np.float32))


def _add(x: Float32, total: Array) -> float:
    total += x.sum(axis=0, dtype=np.float64)
    return float(max(x.max(), -x.min()))
