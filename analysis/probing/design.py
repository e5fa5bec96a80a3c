"""What is asked of probes, and how images are split for them: train, held out, test."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError

Indices = npt.NDArray[np.intp]

# Of the images that are not for testing: those by which the penalty is chosen.
HELD_OUT = 0.2


def _setting(default: Any, description: str, **bounds: float) -> Any:
    """A field with what a form shows of it; ``bounds`` as JSON schema's, checked by a study."""
    return field(default=default, metadata={"description": description, **bounds})


@dataclass(frozen=True)
class Probing:
    """Which probes there are at every tap, and how images are split for them.

    Raises ``ValueError`` where no probe is asked for.
    """

    shots: tuple[int, ...] = _setting(
        (1, 5, 10), "training images a class of the few-shot probes; none for an empty list"
    )
    draws: int = _setting(5, "draws of the training images of a few-shot probe", ge=1)
    full: bool = _setting(True, "also a probe that is trained on all training images")
    tokens: Literal["all", "last", "none"] = _setting(
        "all",
        "at which taps single tokens are probed, with the largest of shots: all, last or none",
    )
    test: float = _setting(0.25, "share of the images of each class kept for testing", gt=0, lt=1)
    seed: int = _setting(0, "seed of the choice of training and test images", ge=0)

    def __post_init__(self) -> None:
        if any(k < 1 for k in self.shots):
            raise ValueError(f"shots {list(self.shots)}: expected 1 or more images a class")
        if not self.shots and not self.full:
            raise ValueError("no probe is asked for; give shots, or full: true")

    @property
    def ascending(self) -> tuple[int, ...]:
        """The shots, each once, the fewest first."""
        return tuple(sorted(set(self.shots)))


@dataclass(frozen=True)
class Split:
    """Three parts of the images, as ascending indices; no image is in two.

    ``target`` (n,) has each image's class as a number from 0, ``classes`` its label. A probe
    learns from ``train``, its penalty is chosen on ``held_out``, its accuracy is of ``test``.
    ``supports`` (draws, classes x most shots) are the few-shot probes' images: of each draw the
    first k x classes are k a class, so that draws of fewer shots are within those of more.
    """

    classes: tuple[int, ...]
    target: Indices
    train: Indices
    held_out: Indices
    test: Indices
    supports: Indices

    @property
    def targets(self) -> npt.NDArray[np.float64]:
        """1 for an image's class and -1 for the others, (n, classes)."""
        return 2.0 * np.eye(len(self.classes))[self.target] - 1.0

    @property
    def chance(self) -> float:
        """The share of the test images that whoever names the most frequent class gets right."""
        return float(np.bincount(self.target[self.test]).max() / len(self.test))

    def support(self, draw: int, shots: int) -> Indices:
        """The training images of one few-shot probe: ``shots`` of each class."""
        return self.supports[draw, : shots * len(self.classes)]


def split(labels: Sequence[int], design: Probing) -> Split:
    """The images of ``labels`` (n,) split as ``design`` asks, every class by the same shares.

    It depends on ``labels`` and ``design.seed`` alone. Raises ``AnalysisError`` for a single
    class, for a class of which no image would be left in a part, and for more shots than the
    smallest class has training images.
    """
    classes, target = np.unique(np.asarray(labels), return_inverse=True)
    if len(classes) < 2:
        raise AnalysisError(
            f"all {len(target)} images are of class {classes[0]}, and a probe tells classes apart; "
            "take images of two classes or more"
        )
    parts: list[list[Indices]] = [[], [], []]
    sizes = np.bincount(target)
    smallest = int(np.argmin(sizes))
    _check_smallest(int(classes[smallest]), int(sizes[smallest]), design)
    for number, size in enumerate(sizes):
        own = _shuffled(np.flatnonzero(target == number), design.seed, number)
        tested, held = _apart(int(size), design)
        for part, images in zip(parts, np.split(own, [tested, tested + held]), strict=True):
            part.append(images)
    test, held_out, train = parts
    return Split(
        classes=tuple(int(label) for label in classes),
        target=target,
        train=np.sort(np.concatenate(train)),
        held_out=np.sort(np.concatenate(held_out)),
        test=np.sort(np.concatenate(test)),
        supports=_supports(train, design),
    )


def _apart(images: int, design: Probing) -> tuple[int, int]:
    """How many of a class's images are for testing, and held out."""
    tested = max(1, round(design.test * images))
    return tested, max(1, round(HELD_OUT * (images - tested)))


def _check_smallest(label: int, images: int, design: Probing) -> None:
    tested, held = _apart(images, design)
    left = images - tested - held
    most = max(design.shots, default=1)
    if left < 1:
        raise AnalysisError(
            f"class {label} has {images} images, too few to train, choose a penalty and test; "
            "a class needs 3 or more, or a smaller probing.test"
        )
    if left < most:
        raise AnalysisError(
            f"{most} shots are asked for, the smallest class, {label}, has {left} training images "
            f"(of its {images}, {tested} are for testing and {held} held out); set probing.shots "
            f"to at most {left}, or take more images"
        )


def _supports(train: Sequence[Indices], design: Probing) -> Indices:
    most = max(design.shots, default=0)
    drawn = [
        [_shuffled(own, design.seed, number, draw)[:most] for number, own in enumerate(train)]
        for draw in range(design.draws)
    ]
    # One of each class, then the next of each.
    return np.stack([np.stack(each, axis=1).reshape(-1) for each in drawn])


def _shuffled(images: Indices, *seed: int) -> Indices:
    return np.random.default_rng(seed).permutation(images)
