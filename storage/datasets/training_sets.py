"""Training sets: a data set by name, its two splits, and fractions of the first."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seelike.storage.datasets import digits, fashion_mnist
from seelike.storage.errors import StorageError

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class TrainingSet:
    """Images (n, 28, 28) uint8 and labels (n,) int64 for training, and others for the test."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    def part(self, fraction: float) -> Split:
        """Choose a fraction of the training images, the same share of each class.

        The choice is the same for every network, in the order of the whole set, and a smaller
        fraction is part of a larger one.

        Raises:
            StorageError: A class would have no image.
        """
        images, labels = self.train
        if fraction == 1:
            return images, labels
        chosen = []
        for label, name in enumerate(self.classes):
            own = np.random.default_rng(label).permutation(np.flatnonzero(labels == label))
            count = round(fraction * len(own))
            if not count:
                raise StorageError(
                    f"a fraction of {fraction:g} leaves no image of class {name!r}, of which "
                    f"{self.name} has {len(own)}; take a larger one"
                )
            chosen.append(own[:count])
        kept = np.sort(np.concatenate(chosen))
        return images[kept], labels[kept]


def fashion(folder: Path) -> TrainingSet:
    """Read Fashion-MNIST, with 60 000 training images, from its files in ``folder``."""
    splits = [fashion_mnist.read(folder, split) for split in ("train", "test")]
    return TrainingSet("Fashion-MNIST", fashion_mnist.CLASSES, *splits)


def handwritten() -> TrainingSet:
    """Read the shipped digits, with 1 200 training images."""
    return TrainingSet("digits", digits.CLASSES, digits.read("train"), digits.read("test"))


# Shipped sets by their name in a study; others are read from a folder.
SHIPPED: dict[str, Callable[[], TrainingSet]] = {"digits": handwritten}
