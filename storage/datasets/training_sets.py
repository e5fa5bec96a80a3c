"""What networks are trained on: a data set by name, its two splits, and fractions of the first."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seelike.storage.datasets import digits, fashion_mnist
from seelike.storage.errors import StorageError

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class TrainingSet:
    """Images (n, 28, 28) uint8 and labels (n,) int64 to train on, and others to be tested on."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    def part(self, fraction: float) -> Split:
        """A ``fraction`` of the training images, as many of each class; smaller ones are within.

        Chosen alike whatever is trained on them, and in the order of the whole. Raises
        ``StorageError`` where a class would have no image.
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
    """Fashion-MNIST, of 60 000 images, from its files in ``folder``."""
    splits = [fashion_mnist.read(folder, split) for split in ("train", "test")]
    return TrainingSet("Fashion-MNIST", fashion_mnist.CLASSES, *splits)


def handwritten() -> TrainingSet:
    """The shipped digits, of 1 200 images to train on."""
    return TrainingSet("digits", digits.CLASSES, digits.read("train"), digits.read("test"))


# By the name that a study uses; those that are not shipped are read from a folder.
SHIPPED: dict[str, Callable[[], TrainingSet]] = {"digits": handwritten}
