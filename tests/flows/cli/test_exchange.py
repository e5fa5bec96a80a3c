"""What one group exports another takes in, byte for byte; anything else is refused whole."""

import hashlib
import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.similarity.nearest.sketches import Projection
from seelike.flows.commands.exchange import export, receive
from seelike.flows.errors import StudyError
from seelike.flows.run.opened_study import images_of, open_study
from seelike.flows.study.study import Study
from seelike.storage.arrays import xarray_datasets
from seelike.storage.digest import digest
from seelike.storage.errors import StorageError
from seelike.storage.exchange.archive import MANIFEST
from seelike.storage.places.place import as_json
from seelike.storage.store import Store, make_store
from seelike.tasks.comparison.compare import compare_measure
from seelike.tasks.nearest.by_signatures import by_signatures
from seelike.tasks.nearest.by_sketches import by_sketches
from seelike.tasks.planning.settings import Statistics
from seelike.tasks.recording.record import record_shard
from seelike.tasks.recording.sketches import sketch_model
from seelike.tasks.step_results import SignaturesResult

PROJECTION = Projection(64)
Manifest = dict[str, Any]


def study(store: Path | str, **changed: Any) -> Study:
    settings = {
        "store": str(store),
        "images": {"source": "sample", "count": 24},
        "models": [{"name": "theirs", "zoo": "vit", "taps": ["blocks.0", "blocks.7"]}],
        "keep": "signatures",
        "batch": 10,
        "baseline": False,
    }
    return Study.model_validate(settings | changed)


def recorded(asked: Study) -> Store:
    """The store of a study, with signatures and sketches of its only model."""
    store, opened = make_store(asked.store), open_study(asked)
    plan = opened.plan(asked.networks()[0])
    record_shard.fn(
        plan,
        opened.images,
        store=store.url,
        keep="signatures",
        number=0,
        shard=range(len(plan.bounds)),
        device="cpu",
        forward_batch=10,
    )
    signed = SignaturesResult(plan, 0)
    sketch_model.fn(signed, store=store.url, keep="signatures", projection=PROJECTION)
    return store


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with another group's store, and what they exported of it."""
    folder = tmp_path_factory.mktemp("theirs")
    asked = study(folder / "store")
    recorded(asked)
    export(asked, folder / "out.zip")
    return folder


def files(root: Path) -> dict[str, bytes]:
    """Every file below ``root`` but locks, by its bytes."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "locks" not in path.parts
    }


def test_what_was_exported_comes_in_byte_for_byte_once(theirs: Path, tmp_path: Path) -> None:
    asked = study(tmp_path / "mine")
    told = receive(asked, theirs / "out.zip")
    assert told.splitlines() == [
        "theirs: signatures of 2 layers imported",
        "theirs: sketches of 2 layers imported",
    ]
    whole = files(theirs / "store")
    assert files(tmp_path / "mine") == whole
    assert len(whole) > 10
    assert receive(asked, theirs / "out.zip").count("in the store already") == 2
    assert files(tmp_path / "mine") == whole


def test_the_same_export_has_the_same_bytes(theirs: Path, tmp_path: Path) -> None:
    told = export(study(theirs / "store"), tmp_path / "again.zip")
    content = (tmp_path / "again.zip").read_bytes()
    assert content == (theirs / "out.zip").read_bytes()
    assert told.endswith(hashlib.sha256(content).hexdigest())


def test_their_layers_stand_beside_ones_own(theirs: Path, tmp_path: Path) -> None:
    mine = study(tmp_path / "mine", models=[{"name": "mine", "zoo": "mixer", "taps": ["blocks.*"]}])
    store = recorded(mine)
    receive(mine, theirs / "out.zip")
    for nearest in (
        by_signatures(store, "theirs:blocks.7", count=3, other_models=True),
        by_sketches(store, "theirs:blocks.7", count=3, projection=PROJECTION, other_models=True),
    ):
        assert {one.layer.volume.model for one in nearest.found} == {"mine"}
        assert len(nearest.found) == 3


def test_their_layers_are_compared_with_ones_own(theirs: Path, tmp_path: Path) -> None:
    own = {"name": "mine", "zoo": "mixer", "taps": ["blocks.*"]}
    mine = study(tmp_path / "mine", models=[own])
    recorded(mine)
    receive(mine, theirs / "out.zip")
    both = study(tmp_path / "mine", models=[own, {"name": "friends", "imported": "theirs"}])
    opened = open_study(both)
    plans = [opened.plan(network) for network in both.networks()]
    assert [plan.subject.trained for plan in plans] == [True, True]
    name = compare_measure.fn(
        [SignaturesResult(plan, 0) for plan in plans],
        opened.images,
        name="cka",
        store=both.store,
        statistics=Statistics(permutations=0),
    )
    store = make_store(both.store)
    cka = xarray_datasets.read(store, name, kind=xarray_datasets.MEASURES)["value"].values
    nearest = by_signatures(store, "theirs:blocks.7", count=8, other_models=True)
    assert len(nearest.found) == 8
    for one in nearest.found:
        np.testing.assert_allclose(cka[one.layer.place, -1], one.cka, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "changed", "why"),
    [
        ("thiers", {}, "'thiers' means 0 models of .*nearest: 'theirs'"),
        ("theirs", {"batch": 8}, "means 0 models .* on the images, batch and reduction"),
        ("theirs", {"similarity": ["rsa"]}, "imported without what rsa reads"),
        (
            "theirs",
            {"similarity": ["procrustes"], "keep": "activations"},
            "imported without what procrustes reads",
        ),
    ],
)
def test_an_imported_model_that_is_not_all_there_is_refused(
    theirs: Path, name: str, changed: dict[str, Any], why: str
) -> None:
    asked = study(theirs / "store", models=[{"name": "friends", "imported": name}], **changed)
    (network,) = asked.networks()
    with pytest.raises(AnalysisError, match=why):
        open_study(asked).plan(network)


def test_an_imported_model_is_as_it_is_and_is_not_run() -> None:
    with pytest.raises(ValueError, match="remove all keys but name and imported"):
        study("store", models=[{"name": "a", "imported": "theirs", "taps": "blocks"}])
    with pytest.raises(ValueError, match="exactly one of timm, zoo and imported"):
        study("store", models=[{"name": "a", "imported": "theirs", "zoo": "vit"}])
    with pytest.raises(AnalysisError, match="it can be compared, not run"):
        load(ModelSpec("a", imported="theirs"))


def test_neither_images_nor_weights_nor_places_are_in_it(theirs: Path) -> None:
    asked = study(theirs / "store")
    images = images_of(asked)
    content = (theirs / "out.zip").read_bytes()
    assert str(theirs).encode() not in content
    assert not any(name.encode() in content for name in images.ids if len(name) > 8)
    with zipfile.ZipFile(theirs / "out.zip") as archive:
        kinds = {name.split("/")[0] for name in archive.namelist()}
    assert kinds == {"signatures", "sketches", MANIFEST}
    assert images.candidates[0].content()[:64] not in content


def test_a_batch_that_an_earlier_import_did_not_reach_is_taken_in(
    theirs: Path, tmp_path: Path
) -> None:
    asked = study(tmp_path / "mine")
    receive(asked, theirs / "out.zip")
    mark = next((tmp_path / "mine" / "signatures").glob("*/digest/c/1/0"))
    mark.unlink()
    assert "signatures of 2 layers imported" in receive(asked, theirs / "out.zip")
    assert files(tmp_path / "mine") == files(theirs / "store")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"images": {"source": "sample", "count": 23}}, "it has 24 images, sample .* 23"),
        ({"images": {"source": "sample", "count": 24, "seed": 9}}, r"\d+ of 24 images differ"),
        ({"images": {"source": "digits", "count": 24}}, "24 of 24 images differ"),
        ({"batch": 12}, "recorded with batch: 10, the study has 12"),
        ({"reduction": "mean"}, "recorded with reduction: flatten, the study has mean"),
    ],
)
def test_what_was_made_otherwise_is_refused(
    theirs: Path, tmp_path: Path, changed: dict[str, Any], why: str
) -> None:
    refuse(study(tmp_path / "mine", **changed), theirs / "out.zip", why)


def refuse(asked: Study, archive: Path, why: str | None = None) -> None:
    """The archive is refused in one line, and the store stays what it was, or away."""
    store = Path(asked.store)
    before = files(store)
    with pytest.raises((StorageError, StudyError), match=why) as refusal:
        receive(asked, archive)
    assert "nothing was changed" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert files(store) == before


def rewritten(
    source: Path,
    target: Path,
    change: Callable[[Manifest, dict[str, bytes]], None],
    *,
    seal: bool = True,
    **how: Any,
) -> Path:
    """The archive with its manifest and members changed, and every checksum made to fit again."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    change(manifest, members)
    if seal:
        manifest["members"] = {
            name: [len(content), hashlib.sha256(content).hexdigest()]
            for name, content in members.items()
        }
        manifest.pop("digest", None)
        manifest["digest"] = digest(manifest)
    with zipfile.ZipFile(target, "w", **how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(MANIFEST, as_json(manifest))
    return target


def first(members: dict[str, bytes], kind: str = "direction") -> str:
    return next(name for name in members if kind in name)


def rename(members: dict[str, bytes], new: str) -> None:
    members[new] = members.pop(first(members))


def values(members: dict[str, bytes], kind: str, value: float, dtype: str) -> None:
    name = first(members, kind)
    array = np.frombuffer(members[name], dtype).copy()
    array[0] = value
    members[name] = array.tobytes()


def renamed(manifest: Manifest, members: dict[str, bytes], key: str, value: Any) -> None:
    """Another identity, with the digest that belongs to it, and its members called so."""
    volume = manifest["volumes"][0]
    old = volume["name"]
    volume["identity"][key] = value
    volume["name"] = digest({"kind": "signatures", **volume["identity"]})
    for name in list(members):
        members[name.replace(old, volume["name"])] = members.pop(name)


WRONG: dict[str, Callable[[Manifest, dict[str, bytes]], None]] = {
    "a path upwards": lambda _, files: rename(files, "../outside"),
    "an absolute path": lambda _, files: rename(files, "/etc/outside"),
    "one member more": lambda _, files: files.update(extra=b"x"),
    "one member less": lambda _, files: files.pop(first(files)) and None,
    "a shorter member": lambda _, files: files.update({first(files): b"1234"}),
    "no unit vectors": lambda _, files: values(files, "direction", 9.0, "<f4"),
    "NaN": lambda _, files: values(files, "direction", np.nan, "<f4"),
    "an infinite length": lambda _, files: values(files, "norm", np.inf, "<f8"),
    "a negative length": lambda _, files: values(files, "norm", -1.0, "<f8"),
    "a sketch that is not finite": lambda _, files: values(files, "/sketch", np.nan, "<f4"),
    "another identity": lambda m, _: m["volumes"][0]["identity"].update(dtype="float16"),
    "another model's weights": lambda m, _: m["volumes"][0]["identity"]["model"].update(weights=""),
    "a kind of its own": lambda m, _: m["volumes"][0].update(kind="recordings"),
    "a name with a path": lambda m, _: m["volumes"][0]["attributes"].update(model="../a"),
    "a name of another type": lambda m, _: m["volumes"][0]["attributes"].update(model=3),
    "facts that are none": lambda m, _: m["volumes"][0]["attributes"].update(facts={}),
    "depths out of place": lambda m, _: m["volumes"][0]["attributes"].update(depths=[0, 7]),
    "another attribute": lambda m, _: m["volumes"][0]["attributes"].update(more=1),
    "another format": lambda m, _: m.update(seelike=2),
    "a volume twice": lambda m, _: m["volumes"].append(m["volumes"][0]),
    "no volumes": lambda m, _: m.pop("volumes") and None,
    "other images": lambda m, _: m["images"].update(digest="0" * 64),
    "a tap with a path": lambda m, f: renamed(m, f, "taps", ["../up", "blocks.7"]),
    "a tap twice": lambda m, f: renamed(m, f, "taps", ["blocks.7", "blocks.7"]),
    "a batch that is no number": lambda m, f: renamed(m, f, "batch", "10"),
    "a batch of none": lambda m, f: renamed(m, f, "batch", 0),
    "another identity's key": lambda m, f: renamed(m, f, "other", 1),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_was_altered_and_sealed_anew_is_refused(
    theirs: Path, tmp_path: Path, wrong: str
) -> None:
    refuse(
        study(tmp_path / "mine"), rewritten(theirs / "out.zip", tmp_path / "b.zip", WRONG[wrong])
    )
    assert not (tmp_path / "outside").exists()


def test_a_manifest_that_was_altered_alone_is_refused(theirs: Path, tmp_path: Path) -> None:
    def change(manifest: Manifest, _: dict[str, bytes]) -> None:
        manifest["volumes"][0]["attributes"]["model"] = "ours"

    bad = rewritten(theirs / "out.zip", tmp_path / "bad.zip", change, seal=False)
    refuse(study(tmp_path / "mine"), bad, "manifest does not match its digest")


def test_compressed_members_are_refused_before_they_are_read(theirs: Path, tmp_path: Path) -> None:
    """So that a few bytes can't become very many."""
    bad = rewritten(
        theirs / "out.zip",
        tmp_path / "bad.zip",
        lambda *_: None,
        compression=zipfile.ZIP_DEFLATED,
    )
    refuse(study(tmp_path / "mine"), bad, "is not plain bytes")


def test_links_and_doubled_members_are_refused(theirs: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(theirs / "out.zip") as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    for number, kind in enumerate(("link", "doubled")):
        bad = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(bad, "w") as archive:
            for name, content in members.items():
                info = zipfile.ZipInfo(name)
                if kind == "link" and name == first(members):
                    info.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(info, content)
            if kind == "doubled":
                with pytest.warns(UserWarning, match="Duplicate"):
                    archive.writestr(first(members), b"x")
        refuse(study(tmp_path / "mine"), bad)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_archive_is_refused(theirs: Path, tmp_path: Path, share: float) -> None:
    whole = (theirs / "out.zip").read_bytes()
    (tmp_path / "bad.zip").write_bytes(whole[: int(share * len(whole))])
    refuse(study(tmp_path / "mine"), tmp_path / "bad.zip")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_byte_changed_is_refused_or_changes_nothing(
    theirs: Path, tmp_path: Path, data: st.DataObject
) -> None:
    whole = bytearray((theirs / "out.zip").read_bytes())
    # Half of them in the directory at the end, where there is most to be believed.
    end = data.draw(st.booleans())
    place = data.draw(st.integers(len(whole) - 2000 if end else 0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "changed.zip").write_bytes(whole)
    shutil.rmtree(tmp_path / "mine", ignore_errors=True)
    asked = study(tmp_path / "mine")
    try:
        receive(asked, tmp_path / "changed.zip")
    except StorageError as error:
        assert "nothing was changed" in str(error)
        assert files(tmp_path / "mine") == {}
    else:
        assert files(tmp_path / "mine") == files(theirs / "store")


def test_a_model_of_which_nothing_is_there_is_not_exported(tmp_path: Path) -> None:
    make_store(str(tmp_path / "store"))
    with pytest.raises(StudyError, match="theirs has no complete signatures or sketches"):
        export(study(tmp_path / "store"), tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
