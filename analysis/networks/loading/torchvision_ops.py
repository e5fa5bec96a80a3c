"""Operators of torchvision that timm's import needs where the compiled ones don't load.

PyPI's torchvision is a CUDA build; beside a CPU torch its extension does not load, and
``import torchvision`` fails with ``operator torchvision::nms does not exist``, because it
registers fake kernels for operators that nothing defined. Defining the two schemas is enough:
no network here calls them. Where the extension loads, nothing is done.
"""

import importlib.util
from pathlib import Path

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

# A torch.library.Library withdraws its definitions when it is collected, so it lives here.
_kept: list[torch.library.Library] = []


def operators_load() -> bool:
    """Whether torchvision's compiled extension loads beside the installed torch."""
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        return False
    folder = Path(found.submodule_search_locations[0])
    for extension in (*folder.glob("_C*.so"), *folder.glob("_C*.pyd")):
        try:
            torch.ops.load_library(str(extension))  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError):
            continue
        return True
    return False


def define_missing_operators() -> bool:
    """Define the schemas that torchvision's import needs; True where it had to."""
    if _kept:
        return True
    if operators_load():
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    _kept.append(library)
    return True
