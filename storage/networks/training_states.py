"""Where a training stands: the state after its last epoch, in one file replaced as a whole."""

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
    """The digest under which the training of ``identity`` is kept."""
    return digest({"kind": KIND, **identity})


def write(
    store: Store, training: str, *, state: Mapping[str, np.ndarray], curve: list[dict[str, float]]
) -> None:
    """Replace the kept state and the curve up to it, both at once."""
    arrays = {key: np.array(value, order="C") for key, value in state.items()}
    content = save(arrays, metadata={"curve": json.dumps(curve, allow_nan=False)})
    store.place.write(store.key(KIND, f"{training}.safetensors"), content)


def read(
    store: Store, training: str
) -> tuple[dict[str, np.ndarray], list[dict[str, float]]] | None:
    """The kept state and curve, None for a training that has not finished an epoch."""
    name = f"{training}.safetensors"
    content = store.place.read(store.key(KIND, name))
    if content is None:
        return None
    try:
        state = load(content)
    except SafetensorError as error:
        where = store.where(KIND, name)
        raise StorageError(f"{where} is damaged ({error}); remove it to train anew") from error
    # Its header: a length of 8 bytes, then as many of JSON.
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return state, json.loads(header["__metadata__"]["curve"])
