"""State of a training after its last epoch, in one file that is replaced as a whole."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from seelike.storage.digest import digest
from seelike.storage.errors import StorageError
from seelike.storage.store import Store

KIND = "training"


def name(identity: dict[str, Any]) -> str:
    """Compute the digest of the training of ``identity``."""
    return digest({"kind": KIND, **identity})


def write(
    store: Store, training: str, *, state: Mapping[str, np.ndarray], curve: list[dict[str, float]]
) -> None:
    """Replace the stored state and learning curve, both at once."""
    arrays = {key: np.array(value, order="C") for key, value in state.items()}
    content = save(arrays, metadata={"curve": json.dumps(curve, allow_nan=False)})
    store.place.write(store.key(KIND, f"{training}.safetensors"), content)


def read(
    store: Store, training: str
) -> tuple[dict[str, np.ndarray], list[dict[str, float]]] | None:
    """Read the stored state and learning curve; None before the first finished epoch."""
    name = f"{training}.safetensors"
    content = store.place.read(store.key(KIND, name))
    if content is None:
        return None
    try:
        state = load(content)
    except SafetensorError as error:
        where = store.where(KIND, name)
        raise StorageError(
            f"{where} is damaged ({error}); remove it to train from the start"
        ) from error
    # The header: 8 bytes of length, then JSON of that length.
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return state, json.loads(header["__metadata__"]["curve"])
