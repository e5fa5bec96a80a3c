"""Images in blocks, for sums over all of them out of core: layout, centring, plans, the sums.

Activations come by ``read(tap, block)``: a fresh float32 array (images, features), which is
changed in place; reading a block may hold one more copy of it meanwhile. Independent steps are
done by ``run(steps)``, at most ``workers`` of a plan at once, results in order.
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
    """Does independent steps, several at once or not, and gives their results in order."""

    def __call__(self, steps: Sequence[Callable[[], Result]]) -> list[Result]:
        """The results of ``steps``."""


@dataclass(frozen=True)
class Layout:
    """Taps and images: ``features`` of each tap, ``blocks`` (start, stop) that are read at once.

    ``groups`` has the jackknife group of each block, ``batches`` its statistical batches;
    ``workers`` steps may run at once.
    """

    features: tuple[int, ...]
    blocks: tuple[Bounds, ...]
    groups: tuple[int, ...]
    batches: tuple[range, ...]
    workers: int

    @property
    def images(self) -> int:
        """How many images there are."""
        return self.blocks[-1][1]

    @property
    def largest(self) -> int:
        """Images of the largest block."""
        return max(stop - start for start, stop in self.blocks)

    @property
    def group_count(self) -> int:
        """How many jackknife groups there are."""
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
    """Statistical batches ``bounds`` joined to blocks, and to at most 16 groups of like size.

    Groups are unions of blocks, blocks of batches; a block of several has at most 256 images.
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

    ``diagonal`` (T, n) has k_ii; ``rows`` (T, G, n) the sum of k_ij over the j != i of a group;
    ``products`` (T, T) the sum of k_ij l_ij over all i != j; ``lost`` (G, T, T) the part of it
    with i or j in a group. All float64. ``shuffled`` (R, T, T) float32 are the products with the
    images of the second tap in another order, if any were asked for. A kernel may differ by
    a_i + a_j from what it stands for: centring and U-centring take that out.
    """

    layout: Layout
    diagonal: Array
    rows: Array
    products: Array
    lost: Array
    shuffled: Float32


@dataclass(frozen=True)
class Plan:
    """One way of computing ``Sums``: its stated peak of memory, its cost, and ``sums`` itself."""

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
    """The plan of least cost within ``memory`` bytes, or the one of least peak if none is."""
    fitting = [plan for plan in plans if plan.peak <= memory]
    if not fitting:
        return min(plans, key=lambda plan: plan.peak)
    return min(fitting, key=lambda plan: (plan.cost, plan.peak))


@dataclass(frozen=True)
class Centre:
    """The mean image (features,) of one tap over all images, and a power of two as its scale.

    Rounded to float32, the mean shifts all images alike, which changes no estimator; it leaves
    exact zeros of features that are constant.
    """

    scale: np.float32
    mean: Float32

    def take_out(self, x: Float32) -> Float32:
        """``x`` (images, features), scaled and centred in its own place."""
        x *= self.scale
        x -= self.mean
        return x


@dataclass(frozen=True)
class Images:
    """The images of all taps, read by block and centred over all of them."""

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
        """``DegenerateTaps`` for taps whose centred ``energies`` (T, n) are rounding."""
        means = [np.square(one.mean, dtype=np.float64).sum() for one in self.centres]
        centred = energies.sum(axis=1)
        raw = centred + energies.shape[1] * np.array(means)
        constant = np.flatnonzero(centred <= CONSTANT * raw)
        if len(constant):
            raise DegenerateTaps([int(tap) for tap in constant])


def centred_images(read: Read, run: Run, of: Layout) -> Images:
    """The images of all taps; reads everything once, for means, which are summed in float64."""
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
