"""The shipped digits: 1 797 handwritten ones, 8 x 8 pixels (Alpaydin and Kaynak 1998, CC BY 4.0).

They are scikit-learn's, in its order, which follows the writers: the first 1 200 are for training,
so that most test digits come from other writers.
"""

from pathlib import Path

import numpy as np
from PIL import Image

SHIPPED = Path(__file__).parents[1] / "shipped" / "digits"
SPLITS = {"train": slice(0, 1200), "test": slice(1200, 1797)}
CLASSES = tuple("0123456789")
SIZE = 28
LARGEST = 16


def read(split: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read images (n, 28, 28) uint8, interpolated, and labels (n,) int64 of a split, or of all."""
    with np.load(SHIPPED / "digits-1797.npz", allow_pickle=False) as shipped:
        images, labels = shipped["images"], shipped["labels"]
    chosen = SPLITS[split] if split is not None else slice(None)
    larger = np.stack([_larger(image) for image in images[chosen]])
    return larger, labels[chosen].astype(np.int64)


def _larger(image: np.ndarray) -> np.ndarray:
    grey = Image.fromarray((image.astype(np.uint16) * 255 // LARGEST).astype(np.uint8))
    return np.asarray(grey.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
