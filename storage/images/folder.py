"""Image sets from a folder: any format Pillow reads, nested, labels from its subfolders."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from seelike.storage.errors import StorageError
from seelike.storage.images.image_set import Candidate, ImageSet, decode_file, select


def from_folder(
    folder: str | Path, *, count: int | None = None, seed: int = 0, skip_bad: bool = False
) -> ImageSet:
    """Make the image set of the images below ``folder``.

    Ids are relative paths. Where every image lies in a subfolder, the number of the top subfolder,
    sorted by name, is its label.

    Args:
        folder: The folder; links are followed.
        count: Number of images; None for all.
        seed: Seed of the choice and order.
        skip_bad: Leave out images that cannot be decoded.

    Raises:
        StorageError: The folder is missing or has no images, or an image cannot be decoded.
    """
    root = Path(folder).expanduser()
    source = f"folder:{folder}"
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise StorageError(f"{source}: {root} {what}; images.source is folder:PATH")
    files = sorted(_image_files(root), key=lambda path: path.as_posix())
    if not files:
        raise StorageError(
            f"{source}: no image in {root} or below (looked for {', '.join(_some_suffixes())} …)"
        )
    tops = sorted({f.parts[0] for f in files if len(f.parts) > 1})
    nested = all(len(f.parts) > 1 for f in files)
    candidates = [
        Candidate(
            id=file.as_posix(),
            content=partial(Path.read_bytes, root / file),
            decode=decode_file,
            label=tops.index(file.parts[0]) if nested else None,
        )
        for file in files
    ]
    return select(candidates, source=source, count=count, seed=seed, skip_bad=skip_bad)


def _some_suffixes() -> list[str]:
    return [s for s in (".jpg", ".png", ".webp", ".tif", ".bmp", ".gif") if s in _suffixes()]


def _suffixes() -> set[str]:
    return {s for s, name in Image.registered_extensions().items() if name in Image.OPEN}


def _image_files(root: Path) -> Iterator[Path]:
    """List image files below ``root``, relative; follows links, each real folder once."""
    suffixes = _suffixes()
    seen: set[str] = set()
    for parent, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield (Path(parent) / name).relative_to(root)
