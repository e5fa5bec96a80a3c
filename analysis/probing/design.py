"""Design of the probes, and the split of images for them: train, held out, test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.settings import setting

Indices = npt.NDArray[np.intp]

# Share of the images outside the test set on which the penalty is chosen.
HELD_OUT = 0.2


@dataclass(frozen=True)
class Probing:
    """The probes at every layer, and how images are split for them.

    Raises:
        ValueError: Without any probe.
    """

    shots: tuple[int, ...] = setting(
        (1, 5, 10), "training images per class of the few-shot probes; an empty list for none"
    )
    draws: int = setting(5, "draws of the training images of a few-shot probe", ge=1)
    full: bool = setting(True, "also a probe that is trained on all training images")
    tokens: Literal["all", "last", "none"] = setting(
        "all",
        "layers at which single tokens are probed, with the largest of shots: all, last or none",
    )
    test: float = setting(0.25, "share of the images of each class kept for testing", gt=0, lt=1)
    seed: int = setting(0, "seed of the choice of training and test images", ge=0)

    def __post_init__(self) -> None:
        if any(k < 1 for k in self.shots):
            raise ValueError(f"shots are {list(self.shots)}, expected at least 1 image per class")
        if not self.shots and not self.full:
            raise ValueError("no probe is chosen; give shots, or full: true")

    @property
    def ascending(self) -> tuple[int, ...]:
        """The shots, each once, the fewest first."""
        return tuple(sorted(set(self.shots)))


@dataclass(frozen=True)
class Split:
    """Three parts of the images, as ascending indices; no image is in two.

    Attributes:
        classes: Label of each class.
        target: Each image's class as a number from 0, (n,).
        train: Images that a probe learns from.
        held_out: Images on which its penalty is chosen.
        test: Images of its accuracy.
        supports: Images of the few-shot probes, (draws, classes x most shots): the
            first k x classes of a draw are k per class, so that fewer shots are part of more.
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
        """Accuracy on the test images of always naming their most frequent class."""
        return float(np.bincount(self.target[self.test]).max() / len(self.test))

    def support(self, draw: int, shots: int) -> Indices:
        """Training images of one few-shot probe: ``shots`` per class."""
        return self.supports[draw, : shots * len(self.classes)]


def split(labels: Sequence[int], design: Probing) -> Split:
    """Split images, every class by the same shares.

    Args:
        labels: Class of each image, (n,). The split depends on these and ``design.seed`` alone.
        design: The shares and shots.

    Returns:
        The split.

    Raises:
        AnalysisError: For a single class, for a class without an image for a part, and for more
            shots than the smallest class has training images.
    """
    classes, target = np.unique(np.asarray(labels), return_inverse=True)
    if len(classes) < 2:
        raise AnalysisError(
            f"all {len(target)} images are of class {classes[0]}, but a probe needs two classes or "
            "more; take other images"
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
    """Numbers of a class's images for testing, and held out."""
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
            f"shots are {most}, but the smallest class, {label}, has {left} training images "
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
