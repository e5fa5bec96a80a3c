"""What a place promises, a folder and a bucket alike; what groups in them are made of."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from seelike.storage import maintenance
from seelike.storage.arrays import recordings, signatures, xarray_datasets
from seelike.storage.arrays.batches import batches
from seelike.storage.errors import StorageError, Unreachable
from seelike.storage.networks import training_states
from seelike.storage.places.place import Place, open_place
from seelike.storage.store import Store, locate, make_store, open_store

BOUNDS = batches(22, 6)
SHAPES = {"blocks.0": (3, 4), "norm:input": (5,)}


@pytest.fixture(params=["folder", "bucket"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "bucket":
        return str(request.getfixturevalue("bucket").url)
    return str(tmp_path / "store")


@pytest.fixture
def place(url: str) -> Place:
    return open_place(url)


@pytest.fixture
def in_bucket(bucket: Any) -> Store:
    return make_store(bucket.url)


def activations(batch: int) -> dict[str, np.ndarray]:
    start, stop = BOUNDS[batch]
    rng = np.random.default_rng(batch)
    return {t: rng.normal(size=(stop - start, *s)).astype("f4") for t, s in SHAPES.items()}


def recorded(store: Store) -> recordings.Recording:
    kept = recordings.create(
        store, {"model": "m"}, shapes=SHAPES, bounds=BOUNDS, batch=6, attributes={"model": "m"}
    )
    for batch in range(len(BOUNDS)):
        kept.write(batch, activations(batch))
    return kept


def signed(store: Store) -> signatures.Signatures:
    """Of three taps, of which two go into a chunk."""
    kept = signatures.create(
        store, {"m": 1}, taps=["a", "b", "c"], bounds=batches(13, 6), attributes={}
    )
    rng = np.random.default_rng(1)
    for batch, pairs in ((0, 15), (1, 21)):
        kept.write(batch, {t: (rng.normal(size=pairs).astype("f4"), 0.1) for t in "abc"})
    return kept


def test_what_is_written_is_there_until_it_is_removed(place: Place) -> None:
    assert place.names("") == []
    assert not place.exists("a/b")
    assert place.read("a/b") is None
    place.write("a/b", b"first")
    place.write("a/b", memoryview(b"second"))
    place.write_all((f"a/c/{i}", bytes(i)) for i in range(20))
    assert place.read("a/b") == b"second"
    assert sorted(place.names("")) == ["a"]
    assert sorted(place.names("a")) == ["b", "c"]
    assert sorted(place.names("a/c")) == sorted(map(str, range(20)))
    assert (place.size("a/b"), place.size("a/c"), place.size("a")) == (6, 190, 196)
    place.remove("a/b")
    place.remove("a/b")
    assert place.names("a") == ["c"]
    place.remove("a/c")
    assert place.size("a") == 0
    assert place.read("a/c/3") is None


def test_a_buffer_is_filled_from_the_beginning_or_not_at_all(place: Place) -> None:
    place.write("chunk", b"0123456789")
    place.prefetch("chunk")
    place.prefetch("none")
    buffer = np.zeros(4, np.uint8)
    assert place.read_into("chunk", buffer.data)
    assert buffer.tobytes() == b"0123"
    assert not place.read_into("chunk", np.zeros(11, np.uint8).data)
    assert not place.read_into("none", buffer.data)


def test_a_group_is_there_whole_or_not_at_all(url: str) -> None:
    store = make_store(url)
    with pytest.raises(ZeroDivisionError), store.place.atomic_group("measures/a") as draft:
        zarr.open_group(draft, mode="w").create_array("x", shape=3, dtype="i4")
        raise ZeroDivisionError
    assert not store.holds("measures", "a")
    assert store.names("measures") == []
    with store.place.atomic_group("measures/a") as draft:
        zarr.open_group(draft, mode="w").create_array("x", data=np.arange(3))
    assert store.names("measures") == ["a"]
    np.testing.assert_array_equal(store.group("measures", "a")["x"][:], [0, 1, 2])


def test_a_groups_metadata_come_last_and_go_first(
    server: Any, bucket: Any, in_bucket: Store
) -> None:
    server.requests.clear()
    kept = recorded(in_bucket)
    made = [path for method, path in server.requests if method == "PUT" and "recordings" in path]
    # After the metadata of the two taps and the ledger.
    assert made.index(f"/{bucket.name}/some/where/{kept.key}/zarr.json") == 3
    # A look at the key, one below it, a first deletion; the second one is refused.
    server.faults += ["", "", "", "403"]
    with pytest.raises(StorageError, match="access is refused; check AWS_ACCESS_KEY_ID"):
        in_bucket.place.remove(kept.key)
    assert bucket.objects("recordings/")
    assert in_bucket.names("recordings") == []


def test_a_half_made_group_is_none_and_is_made_anew(bucket: Any, in_bucket: Store) -> None:
    kept = recorded(in_bucket)
    whole = bucket.objects("recordings/")
    bucket.delete(f"recordings/{kept.name}/zarr.json")
    bucket.put(f"recordings/{kept.name}/left/over", b"x")
    assert in_bucket.names("recordings") == []
    with pytest.raises(StorageError, match=r"is not in s3://.*run the study that made it"):
        recordings.open_recording(in_bucket, kept.name)
    recorded(in_bucket)
    assert bucket.objects("recordings/") == whole


@pytest.mark.parametrize("make", [recorded, signed])
def test_a_bucket_holds_the_bytes_that_a_folder_holds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bucket: Any,
    in_bucket: Store,
    make: Callable[[Store], Any],
) -> None:
    monkeypatch.setattr(signatures, "CHUNK_BYTES", 4 * 21 * 2)
    folder = tmp_path / "store"
    make(make_store(str(folder)))
    kept = make(in_bucket)
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    files = {key: content for key, content in files.items() if not key.startswith("locks")}
    assert bucket.objects() == files
    assert len([key for key in files if "/c/" in key]) >= 8
    # What comes back is what Zarr reads of it, also in another process.
    again = pickle.loads(pickle.dumps(kept))
    if make is recorded:
        np.testing.assert_array_equal(again.read(3, "blocks.0"), activations(3)["blocks.0"])
    else:
        directions, norms = again.read(1)
        np.testing.assert_array_equal(directions, again.group["direction"][:, 1])
        np.testing.assert_array_equal(norms, [0.1] * 3)
        np.testing.assert_array_equal(again.lengths(), np.full((3, 2), 0.1))


def test_a_pickle_holds_no_credentials(in_bucket: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-to-keep")
    kept = recorded(open_store(in_bucket.url))
    assert b"a-secret-to-keep" not in pickle.dumps(kept)


def flip_a_byte(bucket: Any, key: str) -> None:
    content = bytearray(bucket.objects(key)[""])
    content[7] ^= 64
    bucket.put(key, bytes(content))


def lose_it(bucket: Any, key: str) -> None:
    bucket.delete(key)


@pytest.mark.parametrize("harm", [flip_a_byte, lose_it])
def test_a_damaged_object_is_named_mended_and_written_again(
    bucket: Any, in_bucket: Store, harm: Callable[..., None]
) -> None:
    kept = recorded(in_bucket)
    whole = bucket.objects("recordings/")
    assert list(maintenance.faults(in_bucket)) == []
    harm(bucket, f"recordings/{kept.name}/blocks.0/c/1/0/0")
    said = rf"'blocks.0' of {kept.where} is damaged in batch 1 .*--mend {bucket.url}`"
    with pytest.raises(StorageError, match=said):
        kept.read(1, "blocks.0")
    (fault,) = maintenance.faults(in_bucket)
    maintenance.mend(in_bucket, fault)
    assert recordings.open_recording(in_bucket, kept.name).missing() == [1]
    kept.write(1, activations(1))
    assert list(maintenance.faults(in_bucket)) == []
    assert bucket.objects("recordings/") == whole


def test_what_is_there_is_listed_with_its_size_and_removed(bucket: Any, in_bucket: Store) -> None:
    recorded(in_bucket)
    signed(in_bucket)
    training_states.write(in_bucket, "t" * 64, state={"w": np.ones(3, "f4")}, curve=[])
    listed = {entry.kind: entry for entry in maintenance.entries(in_bucket)}
    assert list(listed) == ["recordings", "signatures", "training"]
    assert listed["recordings"].about == "m, complete"
    for kind, entry in listed.items():
        assert entry.size == sum(map(len, bucket.objects(f"{kind}/").values()))
        maintenance.remove(in_bucket, entry.name if kind != "training" else kind)
    assert bucket.objects().keys() == {"seelike.json"}


def test_a_training_state_is_replaced_as_a_whole(url: str) -> None:
    store = make_store(url)
    assert training_states.read(store, "t") is None
    for epoch in range(2):
        state = {"w": np.full((2, 2), epoch, "f4"), "step": np.array(epoch)}
        training_states.write(store, "t", state=state, curve=[{"loss": 0.5}] * (epoch + 1))
    found = training_states.read(store, "t")
    assert found is not None
    np.testing.assert_array_equal(found[0]["w"], np.ones((2, 2)))
    assert found[1] == [{"loss": 0.5}] * 2
    store.place.write("training/t.safetensors", b"\x10" * 50)
    with pytest.raises(StorageError, match=r"t.safetensors is damaged .* remove it"):
        training_states.read(store, "t")


def test_a_comparison_comes_back_lazily_with_its_names(url: str) -> None:
    store = make_store(url)
    taps = ["blocks.0", "norm"]
    dataset = xr.Dataset({"cka": ("tap_a", [0.5, 1.0])}, {"tap_a": taps}, {"study": "s"})
    xarray_datasets.write(store, "c", dataset)
    found = pickle.loads(pickle.dumps(xarray_datasets.read(store, "c")))
    assert found["cka"].chunks == ((2,),)
    np.testing.assert_array_equal(found["cka"], [0.5, 1.0])
    assert (found["tap_a"].values.tolist(), found.attrs) == (taps, {"study": "s"})


def test_faults_that_pass_are_not_noticed(server: Any, bucket: Any, in_bucket: Store) -> None:
    kept = recorded(in_bucket)
    whole = bucket.objects("recordings/")
    server.faults += ["503", "reset", "503"]
    kept.write(1, activations(1))
    assert server.faults == []
    server.faults += ["reset", "503"]
    np.testing.assert_array_equal(kept.read(1, "norm:input"), activations(1)["norm:input"])
    assert bucket.objects("recordings/") == whole


def test_a_fault_that_stays_is_one_line(server: Any, in_bucket: Store) -> None:
    server.faults += ["503"] * 50
    said = r"can't be reached: .*503.*; check the endpoint"
    with pytest.raises(Unreachable, match=said) as error:
        in_bucket.place.check()
    assert "\n" not in str(error.value)


def test_a_bucket_with_other_things_is_no_store(bucket: Any) -> None:
    bucket.put("thesis.tex", b"x")
    with pytest.raises(StorageError, match="some/where is not empty and not a seelike store"):
        locate(bucket.url)
    bucket.delete("thesis.tex")
    with pytest.raises(StorageError, match="does not exist; `seelike compare STUDY` makes it"):
        open_store(bucket.url)
    assert bucket.objects() == {}
    assert make_store(f"{bucket.url}/") == open_store(bucket.url)
    bucket.put("seelike.json", b'{"format": 99}')
    with pytest.raises(StorageError, match="has format 99, this seelike writes format"):
        open_store(bucket.url)
