"""Where a training stands: the state after its last epoch, in one file replaced as a whole."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from storage.digest import digest
from storage.errors import StorageError
from storage.store import Store, write_bytes

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
    write_bytes(store.path(KIND, f"{training}.safetensors"), content)


def read(
    store: Store, training: str
) -> tuple[dict[str, np.ndarray], list[dict[str, float]]] | None:
    """The kept state and curve, None for a training that has not finished an epoch."""
    path = store.path(KIND, f"{training}.safetensors")
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise StorageError(f"{path} is damaged ({error}); remove it to train anew") from error
    return state, json.loads(metadata["curve"])
