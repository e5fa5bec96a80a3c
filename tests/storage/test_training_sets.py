"""What networks are trained on: fractions of it, and the digits."""

import numpy as np
import pytest

from seelike.storage.datasets import digits
from seelike.storage.datasets.training_sets import TrainingSet, handwritten
from seelike.storage.errors import StorageError

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(3), (100, 60, 40)))
IMAGES = np.arange(200, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
SET = TrainingSet("made up", ("a", "b", "c"), (IMAGES, LABELS), (IMAGES[:5], LABELS[:5]))


def part(fraction: float) -> dict[int, int]:
    """Label by number of the image."""
    images, labels = SET.part(fraction)
    return dict(zip(images[:, 0, 0].tolist(), labels.tolist(), strict=True))


def test_fractions_are_balanced_nested_and_in_the_order_of_the_whole() -> None:
    tenth, third = part(0.1), part(0.3)
    assert np.bincount(list(tenth.values())).tolist() == [10, 6, 4]
    assert np.bincount(list(third.values())).tolist() == [30, 18, 12]
    assert tenth.items() <= third.items() <= part(1).items()
    assert list(third) == sorted(third)
    assert all(LABELS[image] == label for image, label in third.items())
    # Chosen, not the first ones.
    assert list(tenth) != sorted(range(200))[: len(tenth)]


def test_all_of_the_images_are_the_images_themselves() -> None:
    images, labels = SET.part(1)
    assert images is IMAGES and labels is LABELS


def test_a_fraction_that_leaves_a_class_empty_is_refused_with_its_name() -> None:
    with pytest.raises(StorageError, match=r"0\.01 leaves no image of class 'c', .* has 40; take"):
        SET.part(0.01)


def test_the_digits_are_all_of_scikit_learns_cut_in_two() -> None:
    from sklearn.datasets import load_digits

    found = handwritten()
    assert [len(split[1]) for split in (found.train, found.test)] == [1200, 597]
    known = load_digits()
    np.testing.assert_array_equal(np.concatenate([found.train[1], found.test[1]]), known.target)
    images, _ = digits.read()
    assert images.shape == (1797, 28, 28) and images.dtype == np.uint8
    # Ink stays where it was: the same up to interpolation, at the corners of every pixel.
    coarse = images[:, :, :].reshape(1797, 4, 7, 4, 7).mean(axis=(2, 4))
    small = known.images.reshape(1797, 4, 2, 4, 2).mean(axis=(2, 4)) * 255 / 16
    assert np.corrcoef(coarse.ravel(), small.ravel())[0, 1] > 0.99
    with np.load(digits.SHIPPED / "digits-1797.npz") as shipped:
        np.testing.assert_array_equal(shipped["images"], known.images)
