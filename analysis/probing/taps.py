"""All probes of one layer, from blocks of its activations, which never are in memory together."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.probing.design import Probing, Split
from seelike.analysis.probing.features import TOKEN, Axes, Values, pooled, single
from seelike.analysis.probing.learner import Learner, Probe

# Blocks of activations in the order of images: index of the first, and (images, *shape) float32.
Blocks = Callable[[], Iterable[tuple[int, Values]]]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one probe.

    Attributes:
        feature: ``cls``, ``mean`` or ``token``.
        row: Row of a token, -1 for other features.
        column: Column of a token, -1 for other features.
        shots: Training images per class, 0 for all.
        penalty: The chosen penalty.
        hits: Scores of the test images as in ``learner.hits``, (draws, test images), float32.
    """

    feature: str
    row: int
    column: int
    shots: int
    penalty: float
    hits: npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Group:
    """Features of one layer that are learnt together, and the function that reads them."""

    names: tuple[tuple[str, int, int], ...]
    taken: Callable[[Values], Values]
    shots: tuple[int, ...]
    full: bool


def probe(
    blocks: Blocks, of: Axes, split: Split, design: Probing, *, tokens: bool, memory: int
) -> list[Outcome]:
    """Train and test all probes of one layer.

    Few-shot and full probes of ``of.pooled``, and with ``tokens`` few-shot probes of every single
    token, with the largest number of shots. Where these need more than ``memory`` bytes together
    they are done in turns, each of which reads the activations again.

    Args:
        blocks: Gives the activations in blocks in the order of images: index of the first image,
            and (images, *shape), float32. Read twice per turn: to learn, and to test.
        of: The axes of the activations.
        split: The split of the images.
        design: The probes.
        tokens: Whether single tokens are probed.
        memory: Bytes for what is learnt.

    Returns:
        One outcome per probe.

    Raises:
        AnalysisError: Where one feature alone needs more memory.

    Examples:
        ```python
        x = activations["layer4.2"]  # (n, c, h, w)
        of = axes("map", x.shape[1:], prefix=0, class_token=False, aspect=1)
        design = Probing(shots=(5,))
        outcomes = probe(
            lambda: [(0, x)], of, split(labels, design), design, tokens=False, memory=2**30
        )
        accuracies([one.hits for one in outcomes]).value
        ```
    """
    return [
        tested
        for turn in _turns(list(_groups(of, design, tokens=tokens)), of, split, memory)
        for tested in _one_turn(blocks, turn, of, split)
    ]


def _groups(of: Axes, design: Probing, *, tokens: bool) -> Iterator[_Group]:
    if of.pooled:
        names = tuple((name, -1, -1) for name in of.pooled)
        yield _Group(names, partial(pooled, of=of), design.ascending, design.full)
    if tokens and of.cells is not None and design.shots:
        columns = of.cells[1]
        names = tuple((TOKEN, *divmod(token, columns)) for token in range(of.tokens))
        yield _Group(names, partial(single, of=of), design.ascending[-1:], full=False)


def _turns(groups: list[_Group], of: Axes, split: Split, memory: int) -> list[list[_Group]]:
    """Divide the groups into turns that fit ``memory``."""
    turns: list[list[_Group]] = [[]]
    left = memory
    for group in groups:
        each = Learner.held_bytes(of.channels, split, shots=group.shots, full=group.full)
        if each > memory:
            raise AnalysisError(
                f"a probe of {of.channels} channels takes {each / 1e6:.1f} MB of memory, more than "
                f"the limit of {memory / 1e6:.1f} MB; set compute.memory higher, or fewer draws "
                "or shots"
            )
        start = 0
        while start < len(group.names):
            if left < each:
                turns.append([])
                left = memory
            stop = min(len(group.names), start + left // each)
            turns[-1].append(_part(group, start, stop))
            left -= each * (stop - start)
            start = stop
    return [turn for turn in turns if turn]


def _part(group: _Group, start: int, stop: int) -> _Group:
    if (start, stop) == (0, len(group.names)):
        return group

    def taken(x: Values) -> Values:
        return group.taken(x)[:, start:stop]

    return _Group(group.names[start:stop], taken, group.shots, group.full)


def _one_turn(blocks: Blocks, groups: list[_Group], of: Axes, split: Split) -> Iterator[Outcome]:
    learners = [
        Learner(len(group.names), of.channels, split, shots=group.shots, full=group.full)
        for group in groups
    ]
    for start, x in blocks():
        for group, learner in zip(groups, learners, strict=True):
            learner.learn(start, group.taken(x))
    probes = [one.fit() for one in learners]
    hits = [
        [[np.empty((len(p.weights), len(split.test)), np.float32) for p in each] for each in own]
        for own in probes
    ]
    for start, x in blocks():
        first, last = np.searchsorted(split.test, [start, start + len(x)])
        if first == last:
            continue
        images = split.test[first:last]
        for group, own, found in zip(groups, probes, hits, strict=True):
            _test(group.taken(x[images - start]), own, split.target[images], found, first)
    for group, own, found in zip(groups, probes, hits, strict=True):
        for name, each, right in zip(group.names, own, found, strict=True):
            for one, hit in zip(each, right, strict=True):
                yield Outcome(*name, one.shots, one.penalty, hit)


def _test(
    x: Values,
    probes: list[list[Probe]],
    target: npt.NDArray[np.intp],
    hits: list[list[Values]],
    first: int,
) -> None:
    """Enter the hits of all probes on the images ``x`` (b, features, channels)."""
    for feature, (each, found) in enumerate(zip(probes, hits, strict=True)):
        for one, right in zip(each, found, strict=True):
            right[:, first : first + len(x)] = one.hits(x[:, feature], target)
