"""The reference zoo on disk: float16 weights in safetensors, each beside a JSON card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from seelike.storage.digest import content_digest
from seelike.storage.errors import StorageError, suggest
from seelike.storage.places.folder import Folder
from seelike.storage.places.place import as_json

SHIPPED = Path(__file__).parents[1] / "shipped" / "zoo"


def members(folder: Path = SHIPPED) -> list[str]:
    """List the names of the networks in ``folder``, sorted."""
    return sorted(path.stem for path in folder.glob("*.safetensors"))


def card(name: str, folder: Path = SHIPPED) -> dict[str, Any]:
    """Read the card of a network: family, arguments, recipe, seed, accuracy, digest.

    Raises:
        StorageError: ``folder`` lacks the network (the message offers the nearest names), or its
            card is unreadable.
    """
    if name not in members(folder):
        where = "the zoo" if folder == SHIPPED else folder
        raise StorageError(f"network {name!r} is not in {where}; {suggest(name, members(folder))}")
    try:
        read: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    except (OSError, ValueError) as error:
        raise StorageError(f"the card of zoo network {name!r} is unreadable: {error}") from error
    return read


def weights(name: str, folder: Path = SHIPPED) -> dict[str, np.ndarray]:
    """Read the float16 weights of a network, checked against its card's digest."""
    expected = card(name, folder)["digest"]
    path = folder / f"{name}.safetensors"
    if content_digest([path.read_bytes()]) != expected:
        raise StorageError(f"{path} is damaged: its digest is not the one on its card")
    return dict(load_file(path))


def write(
    folder: Path, name: str, *, tensors: Mapping[str, np.ndarray], card: Mapping[str, Any]
) -> Path:
    """Write a network and its card into ``folder``.

    Both are synced to the disk before either replaces an existing file.

    Returns:
        Path of the weights.
    """
    content = save({k: np.array(v, order="C") for k, v in tensors.items()})
    files = {
        f"{name}.safetensors": content,
        f"{name}.json": as_json({**card, "digest": content_digest([content])}),
    }
    place = Folder(folder)
    try:
        for key, each in files.items():
            place.write(f".{key}.new", each)
        for key in files:
            (folder / f".{key}.new").replace(folder / key)
    finally:
        for key in files:
            place.remove(f".{key}.new")
    return folder / f"{name}.safetensors"


def holds(folder: Path, name: str, *, training: str) -> bool:
    """Whether ``folder`` has the network as the training of that digest left it, undamaged."""
    try:
        found = card(name, folder)
        weights(name, folder)
    except StorageError:
        return False
    return found.get("training") == training
