"""Fashion-MNIST's four files, read without a framework (Xiao, Rasul and Vollgraf 2017)."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np

from seelike.storage.errors import StorageError

# Folder of Debian's package dataset-fashion-mnist.
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
ENVIRONMENT = "SEELIKE_FASHION_MNIST"
SPLITS = {"train": ("train", 60_000), "test": ("t10k", 10_000)}
CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
MEAN, STD = 0.2860, 0.3530


def read(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read images (n, 28, 28) uint8 and labels (n,) int64.

    Args:
        folder: Folder of the four files, gzipped or not.
        split: 'train' or 'test'.

    Raises:
        StorageError: A file is missing, short or of another format.
    """
    prefix, count = SPLITS[split]
    images = _idx(_find(folder, f"{prefix}-images-idx3-ubyte"), dims=3)
    labels = _idx(_find(folder, f"{prefix}-labels-idx1-ubyte"), dims=1)
    if len(images) != count or len(labels) != count:
        raise StorageError(
            f"Fashion-MNIST's {split} files in {folder} hold {len(images)} images and "
            f"{len(labels)} labels, expected {count} of each; fetch them again"
        )
    return images, labels.astype(np.int64)


def find_folder(downloads: Path) -> Path | None:
    """Find the folder with the four files: $SEELIKE_FASHION_MNIST, Debian's, or ``downloads``."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        if not _complete(Path(named)):
            raise StorageError(f"${ENVIRONMENT} names {named}, which lacks Fashion-MNIST's files")
        return Path(named)
    for folder in (DEBIAN, downloads / "FashionMNIST" / "raw"):
        if _complete(folder):
            return folder
    return None


def _complete(folder: Path) -> bool:
    names = [f"{p}-{kind}" for p, _ in SPLITS.values() for kind in _KINDS]
    return all((folder / n).exists() or (folder / f"{n}.gz").exists() for n in names)


_KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")


def _find(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.exists():
            return path
    raise StorageError(f"{folder} lacks {name}(.gz), a file of Fashion-MNIST")


def _idx(path: Path, *, dims: int) -> np.ndarray:
    """Read an IDX file: magic 0x0000 08 dims, big-endian sizes, then bytes."""
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise StorageError(f"{path} cannot be read: {error}; fetch it again") from error
    head = np.frombuffer(raw[: 4 + 4 * dims].ljust(4 + 4 * dims, b"\0"), ">u4")
    if head[0] != 0x0800 + dims:
        raise StorageError(f"{path} is not an IDX file of {dims} dimensions; fetch it again")
    shape = tuple(int(n) for n in head[1:])
    if len(raw) != 4 + 4 * dims + int(np.prod(shape)):
        raise StorageError(f"{path} is cut short; fetch it again")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)
