"""Recordings and signatures: whole or not at all, checked, and never silently short."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from seelike.storage import maintenance
from seelike.storage.arrays import recordings, signatures
from seelike.storage.arrays.batches import batches
from seelike.storage.digest import digest
from seelike.storage.errors import StorageError
from seelike.storage.store import Store, make_store, open_store

BOUNDS = batches(22, 6)
SHAPES = {"blocks.0": (3, 4), "norm:input": (5,)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(str(tmp_path / "store"))


def activations(batch: int) -> dict[str, np.ndarray]:
    start, stop = BOUNDS[batch]
    rng = np.random.default_rng(batch)
    return {t: rng.normal(size=(stop - start, *s)).astype("f4") for t, s in SHAPES.items()}


def recording(store: Store) -> recordings.Recording:
    return recordings.create(
        store, {"model": "m"}, shapes=SHAPES, bounds=BOUNDS, batch=6, attributes={"model": "m"}
    )


def test_what_is_written_is_read_and_opens_with_plain_zarr(store: Store) -> None:
    kept = recording(store)
    for batch in range(len(BOUNDS)):
        kept.write(batch, activations(batch))
    assert kept.ledger.missing() == []
    plain = zarr.open_group(kept.where, mode="r")
    for tap in SHAPES:
        whole = np.concatenate([activations(b)[tap] for b in range(len(BOUNDS))])
        np.testing.assert_array_equal(plain[tap][:], whole)
        assert plain[tap].metadata.dimension_names[0] == "image"
        np.testing.assert_array_equal(kept.read(3, tap), activations(3)[tap])


def test_all_zero_activations_are_data_not_a_hole(store: Store) -> None:
    kept = recording(store)
    kept.write(1, {tap: np.zeros_like(a) for tap, a in activations(1).items()})
    assert recordings.open_recording(store, kept.name).read(1, "blocks.0").sum() == 0


def test_a_batch_that_was_never_written_is_an_error(store: Store) -> None:
    kept = recording(store)
    kept.write(0, activations(0))
    assert kept.ledger.missing() == [1, 2, 3]
    with pytest.raises(StorageError, match=r"batch 2 .* never completed"):
        kept.read(2, "blocks.0")


def flip_a_byte(chunk: Path) -> None:
    content = bytearray(chunk.read_bytes())
    content[7] ^= 64
    chunk.write_bytes(bytes(content))


@pytest.mark.parametrize("harm", [flip_a_byte, Path.unlink])
def test_a_damaged_chunk_is_named_mended_and_written_again(store: Store, harm) -> None:  # type: ignore[no-untyped-def]
    kept = recording(store)
    for batch in range(len(BOUNDS)):
        kept.write(batch, activations(batch))
    assert list(maintenance.faults(store)) == []
    harm(Path(kept.where) / "blocks.0" / "c" / "1" / "0" / "0")
    with pytest.raises(StorageError, match=r"'blocks.0' .* damaged in batch 1.*--mend"):
        kept.read(1, "blocks.0")
    found = list(maintenance.faults(store))
    assert [fault.batch for fault in found] == [1]
    maintenance.mend(store, found[0])
    assert recordings.open_recording(store, kept.name).ledger.missing() == [1]
    kept.write(1, activations(1))
    assert list(maintenance.faults(store)) == []


def test_signatures_of_unequal_batches_are_padded_with_zeros(store: Store) -> None:
    bounds = batches(13, 6)
    kept = signatures.create(store, {"m": 1}, taps=["a", "b"], bounds=bounds, attributes={})
    vector = np.arange(15, dtype="f4")
    kept.write(0, {"a": (vector, 2.0), "b": (-vector, 1e-40)})
    longest = np.ones(21, "f4")
    kept.write(1, {"a": (longest, 1e30), "b": (longest, 0.0)})
    directions, norms = signatures.open_signatures(store, kept.name).read(0)
    np.testing.assert_array_equal(directions[0], [*vector, *np.zeros(6)])
    np.testing.assert_array_equal(norms, [2.0, 1e-40])


def test_an_identity_names_one_thing_whatever_the_order_of_its_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": float("nan")})


@pytest.mark.parametrize("tap", ["../up", "a/b", "", ".hidden", "digest"])
def test_a_tap_that_cannot_be_a_file_name_is_refused(store: Store, tap: str) -> None:
    with pytest.raises(StorageError, match="cannot name an array"):
        recordings.create(
            store, {"t": tap}, shapes={tap: (2,)}, bounds=BOUNDS, batch=6, attributes={}
        )
    assert store.names("recordings") == []


def test_stores_of_another_format_or_none_are_refused(tmp_path: Path) -> None:
    make_store(str(tmp_path / "old"))
    (tmp_path / "old" / "seelike.json").write_text('{"format": 99}')
    with pytest.raises(StorageError, match="has format 99, this seelike writes format"):
        open_store(str(tmp_path / "old"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    with pytest.raises(StorageError, match="not a seelike store"):
        make_store(str(tmp_path / "full"))
    with pytest.raises(StorageError, match="does not exist"):
        open_store(str(tmp_path / "absent"))
    assert not (tmp_path / "absent").exists()


def test_removing_needs_a_digest_that_means_one_thing(store: Store) -> None:
    kept = recording(store)
    with pytest.raises(StorageError, match="matches 0 entries"):
        maintenance.remove(store, "abc")
    assert [e.name for e in maintenance.remove(store, kept.name[:12])] == [kept.name]
    assert store.names("recordings") == []
