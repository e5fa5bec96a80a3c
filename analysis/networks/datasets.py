"""Image data sets that timm reads: torchvision, Hugging Face, TensorFlow, WebDataset."""

import operator
from collections.abc import Callable
from typing import Any

from PIL import Image

from seelike.analysis.errors import AnalysisError

Read = Callable[[int], tuple[Image.Image, int | None]]


def timm_dataset(name: str, *, root: str, split: str) -> tuple[int, Read]:
    """Open a data set of ``timm.data.create_dataset``.

    Data sets that can be downloaded are put below ``root``.

    Args:
        name: timm's name, such as ``torch/cifar10`` or ``hfds/OWNER/NAME``.
        root: The folder of its files.
        split: The part of it, such as ``validation``.

    Returns:
        The number of images, and a function from an index to an image and its label (an integer
        from 0, None without one).

    Raises:
        AnalysisError: With timm's own reason, where name, split or files are missing.
    """
    from timm.data.dataset_factory import create_dataset

    arguments: dict[str, Any] = {"root": root, "split": split, "download": True}
    if name.startswith(("torch/image_folder", "torch/folder")) or "/" not in name:
        del arguments["download"]
    try:
        dataset = create_dataset(name, **arguments)
        count = len(dataset)
    # timm and the libraries below it raise any error for a wrong name or a missing file.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise AnalysisError(
            f"timm cannot open data set {name!r} (split {split!r}, root {root!r}): "
            f"{type(error).__name__}: {reason}; see timm.data.create_dataset for names"
        ) from error

    def read(index: int) -> tuple[Image.Image, int | None]:
        image, label = dataset[index]
        if not isinstance(image, Image.Image):
            raise AnalysisError(
                f"data set {name!r} gives {type(image).__name__}, expected images; take another one"
            )
        return image, _label(label)

    return count, read


def _label(given: Any) -> int | None:
    """A class as a number from 0; None for a value that is no class (-1: timm found no label)."""
    try:
        number = operator.index(given)
    except TypeError:
        return None
    return number if number >= 0 else None
