"""seelike's own way through its tasks: recording signatures, storing, comparing."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import summarise
from seelike.analysis.similarity import batch_cosines, cka_from_hsic
from seelike.storage.arrays import signatures
from seelike.storage.arrays.signatures import Signatures, open_signatures
from seelike.storage.store import Store, make_store
from seelike.tasks.comparison.signature_products import products, shares
from seelike.tasks.recording.signatures import finish_on_host, hook_summary
from seelike.tasks.runtime.threads import one_blas_thread

Signed = dict[str, tuple[np.ndarray, float]]


def summary(tap: Tap, activations: Tensor) -> Any:
    """Reduce a tap's activations inside the hook, as the recording task does."""
    return hook_summary(tap.name, activations, ["cka"])


def record(of: Network, chosen: Sequence[Tap], batches: Sequence[Tensor]) -> list[Signed]:
    """The signatures of every batch at the ``chosen`` taps, made in the hooks; in memory."""
    return list(signed(of, chosen, batches))


def signed(of: Network, chosen: Sequence[Tap], batches: Sequence[Tensor]) -> Iterator[Signed]:
    """The signatures of one batch after the other, as the recording task makes them."""
    with one_blas_thread():
        yield from map(settle, summarise(of, chosen, batches, summary=summary))


def settle(values: dict[str, Any]) -> Signed:
    """The signatures of a batch, whatever of them was left on a device."""
    return {tap: finish_on_host(tap, value)["cka"] for tap, value in values.items()}


def cka(recorded: Sequence[Signed]) -> np.ndarray:
    """Minibatch CKA (T, T) of recorded signatures, as the tasks compute it from the store."""
    directions = [np.stack([d for d, _ in batch.values()]) for batch in recorded]
    norms = np.array([[norm for _, norm in batch.values()] for batch in recorded])
    return cka_from_hsic(shares(np.stack([batch_cosines(d) for d in directions]), norms))


def record_into(
    store: Store, of: Network, chosen: Sequence[Tap], batches: Sequence[Tensor]
) -> Signatures:
    """Record like ``record`` and keep every batch in ``store`` when it is complete."""
    kept = create(store, of.name, taps=[tap.name for tap in chosen], sizes=list(map(len, batches)))
    for number, values in enumerate(signed(of, chosen, batches)):
        kept.write(number, values)
    return kept


def create(store: Store, name: str, *, taps: Sequence[str], sizes: Sequence[int]) -> Signatures:
    """Empty signatures in ``store`` for batches of ``sizes`` images."""
    bounds = list(pairwise(accumulate(sizes, initial=0)))
    return signatures.create(store, {"model": name}, taps=taps, bounds=bounds, attributes={})


def compare(store: Store, names: Sequence[str]) -> np.ndarray:
    """Minibatch CKA of all pairs of taps of the signatures called ``names``, read from disk."""
    return cka_from_hsic(shares(*products([open_signatures(store, name) for name in names])))


def temporary_store(folder: str) -> Store:
    """A store in a temporary folder."""
    return make_store(str(Path(folder) / "store"))
