"""The command line as a person meets it: what each verb says, writes, refuses and leaves alone."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import xarray as xr
import yaml
from prefect.logging.configuration import setup_logging
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness
from safetensors.torch import save_file

from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.flows.cli.main import QUIET, main
from seelike.storage.images import from_sample
from seelike.tasks.recording import forward_passes

TINY = {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 3, "num_heads": 2}
VIT = {"name": "colour ViT", "timm": "vit_tiny_patch16_224", "arguments": TINY}
NOTHING_NEW = "nothing to record: everything is already in the store"
RESNET = {"name": "ResNet", "zoo": "resnet", "taps": ["layer*.1"]}


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """A Prefect server for all tests; its log stays off the terminal as `seelike` keeps it."""
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        with mock.patch.dict(os.environ, QUIET):
            setup_logging()
            yield
        setup_logging()


@dataclass(frozen=True)
class Said:
    """What one command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The standard output of a command that was done."""
        assert self.status == 0, self
        return self.out.splitlines()

    @property
    def refusal(self) -> str:
        """The one line of a command that was refused."""
        assert (self.status, self.out) == (2, ""), self
        assert re.fullmatch(r"seelike: [^\n]+\n", self.err), self
        return self.err.strip()


Seelike = Callable[..., Said]


@pytest.fixture
def seelike(capsys: pytest.CaptureFixture[str]) -> Seelike:
    """Run one command in this process."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Said(status, printed.out, printed.err)

    return run


def write_study(folder: Path, **changes: Any) -> Path:
    """A study file in ``folder``, whose store and report are to be there as well."""
    content = {
        "name": "tiny",
        "store": str(folder / "store"),
        "images": {"source": "sample", "count": 34},
        "models": [VIT],
        "baseline": False,
        "batch": 16,
        "report": str(folder / "report"),
    } | changes
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def files(folder: Path) -> dict[str, bytes]:
    """What stands below ``folder``; locks, which are empty, left out."""
    found = (p for p in folder.rglob("*") if "locks" not in p.parts)
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in found}


def first_run(folder: Path, **changes: Any) -> list[str]:
    with redirect_stdout(io.StringIO()) as printed:
        assert main(["compare", str(write_study(folder, **changes))]) == 0
    return printed.getvalue().splitlines()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Where `seelike compare` has run on two networks, and the lines that it printed."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, first_run(folder, models=[RESNET, VIT])


@pytest.fixture(scope="module")
def one_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it has run on a single network."""
    folder = tmp_path_factory.mktemp("one_network")
    first_run(folder)
    return folder


@pytest.fixture
def copy(one_network: Path, tmp_path: Path) -> Path:
    """A copy of ``one_network`` to be harmed."""
    shutil.copytree(one_network, tmp_path / "copy")
    write_study(tmp_path / "copy")
    # It says where the store is, and has gone with it.
    origins = tmp_path / "copy" / "report" / "provenance.json"
    origins.write_text(origins.read_text().replace(str(one_network), str(tmp_path / "copy")))
    return tmp_path / "copy"


class References(HTMLParser):
    """What a page refers to: what a browser loads by itself, and what it offers to open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.offered: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [str(value) for key, value in attrs if key in ("src", "srcset", "poster")]
        self.offered += [str(value) for key, value in attrs if key == "href"]


def test_compare_writes_a_report_of_its_own_and_prints_its_path_last(
    finished: tuple[Path, list[str]],
) -> None:
    folder, lines = finished
    index = folder / "report" / "index.html"
    assert lines[0] == "recorded 4 batches"  # Of 16 and 18 images, for two networks.
    assert lines[-1] == str(index)
    page = index.read_text()
    refers = References(page)
    assert refers.loaded
    assert all(one.startswith("data:image/") for one in refers.loaded)
    # Its scripts are its own: `loaded` would have their addresses.
    assert not refers.tags & {"link", "iframe", "object", "embed"}
    assert "@import" not in page
    assert "url(" not in page.replace("url(data:", "")
    # What it offers lies beside it; that a page alone has it too is tested with a browser.
    beside = {one for one in refers.offered if not one.startswith("#")}
    assert "data/cka.csv" in beside
    assert beside <= {str(path.relative_to(index.parent)) for path in index.parent.rglob("*")}
    for words in ("ResNet", "colour ViT", "34 images"):
        assert words in page


def test_the_csv_and_the_comparison_hold_the_same_numbers(
    finished: tuple[Path, list[str]],
) -> None:
    folder, lines = finished
    (url,) = (line.split(" ", 1)[1] for line in lines if line.startswith("comparison "))
    dataset = xr.open_zarr(url, consolidated=False).load()
    names = list(zip(dataset["model_a"].values, dataset["tap_a"].values, strict=True))
    with (folder / "report" / "data" / "cka.csv").open() as file:
        rows = list(csv.DictReader(file))
    # A layer of each stage; the embedding and three blocks.
    assert len(rows) == (4 + 4) ** 2
    for row in rows:
        cell = dataset.isel(
            tap_a=names.index((row["model_a"], row["tap_a"])),
            tap_b=names.index((row["model_b"], row["tap_b"])),
        )
        for key in ("cka", "cka_low", "cka_high"):
            assert float(row[key]) == pytest.approx(float(cell[key]), abs=1e-6)


def test_a_second_run_makes_no_forward_pass_and_the_same_report(
    copy: Path, monkeypatch: pytest.MonkeyPatch, seelike: Seelike
) -> None:
    before = files(copy)
    shutil.rmtree(copy / "report")
    monkeypatch.setattr(forward_passes, "summarise", mock.Mock(side_effect=AssertionError))
    said = seelike("compare", copy / "study.yaml")
    assert said.lines[0] == NOTHING_NEW
    assert said.lines[-1] == str(copy / "report" / "index.html")
    assert said.err == ""
    assert files(copy) == before


def test_settings_change_the_study(tmp_path: Path, seelike: Seelike) -> None:
    study = write_study(tmp_path)
    changes = ["images.count=20", "models.0.name=other", "taps=[blocks.1]", "batch=8"]
    said = seelike("plan", study, *(word for change in changes for word in ("--set", change)))
    header, row, timing, total = said.lines
    assert timing.startswith("time: ")
    assert header.split()[:3] == ["model", "layers", "images"]
    assert row.split()[:3] == ["other", "1", "20"]
    assert total.startswith("1 passes over 20 images, ")


def test_plan_tells_the_bytes_and_writes_nothing(tmp_path: Path, seelike: Seelike) -> None:
    study = write_study(tmp_path, images={"count": 32}, models=[RESNET, VIT], baseline=True)
    before = files(tmp_path)
    said = seelike("plan", study)
    rows = [re.split(r"\s{2,}", line) for line in said.lines[1:-2]]
    assert [row[0] for row in rows] == ["ResNet", "colour ViT", "ResNet untrained"]
    # Stages of the zoo's ResNet: channels x pixels, in float32.
    stages = 16 * 28**2 + 32 * 14**2 + 64 * 7**2 + 128 * 4**2
    assert rows[0][1:4] == ["4", "32", f"{32 * 4 * stages / 1e6:.1f} MB"]
    assert said.lines[-1].endswith(f"{tmp_path / 'store'}: fits")
    streamed = seelike("plan", study, "--set", "keep=signatures")
    assert all("not kept" in line for line in streamed.lines[1:-2])
    assert files(tmp_path) == before


def test_plan_says_what_does_not_fit_and_compare_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seelike: Seelike
) -> None:
    study = write_study(tmp_path)
    before = files(tmp_path)
    monkeypatch.setattr("seelike.storage.store.Store.free_bytes", lambda _: 10_000)
    verdict = seelike("plan", study).lines[-1]
    assert verdict.endswith("DOES NOT FIT; set keep: signatures, or fewer images")
    refusal = seelike("compare", study).refusal
    assert re.search(r"needs [\d.]+ MB in .*, 10\.0 kB are free; set keep: signatures", refusal)
    assert files(tmp_path) == before


def test_layers_lists_taps_of_the_zoo_and_of_timm(seelike: Seelike) -> None:
    *table, total = seelike("layers", "zoo:vit").lines
    rows = [re.split(r"\s{2,}", line) for line in table[1:]]
    assert [row[0] for row in rows] == ["patch_embed", *(f"blocks.{i}" for i in range(8))]
    assert rows[1][1:3] == ["50 x 96", f"{4 * 50 * 96:,}"]
    depths = [float(row[3]) for row in rows]
    assert depths == sorted(depths)
    assert total == "9 layers, input (1, 28, 28)"
    said = seelike("layers", "resnet10t", "--taps", "layer*.0", "bn1:input", "--reduction", "mean")
    rows = [re.split(r"\s{2,}", line) for line in said.lines[1:-1]]
    # In the order they fire, whatever the order they were asked for.
    assert [row[0] for row in rows] == ["bn1:input", *(f"layer{i}.0" for i in (1, 2, 3, 4))]
    assert [row[1] for row in rows] == ["64", "64", "128", "256", "512"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet5"], "timm has no model 'resnet5'; nearest: 'resnet50'"),
        (["zoo:vti"], "network 'vti' is not in the zoo; nearest: 'vit'"),
        (["zoo:vit", "--taps", "blokcs.*"], r"'blokcs\.\*' matched nothing in .*nearest: 'blocks"),
        (["zoo:vit", "--taps", "norm:outptu"], "ends in ':outptu'; only ':input'"),
        (["zoo:mixer", "--reduction", "cls"], "has no class token"),
        (["zoo:mixer", "--reduction", "maen"], "unknown reduction 'maen'; nearest: 'mean'"),
    ],
)
def test_layers_refuses_what_is_not_there(
    seelike: Seelike, arguments: list[str], message: str
) -> None:
    assert re.search(message, seelike("layers", *arguments).refusal)


def test_report_is_drawn_again_from_a_finished_comparison_alone(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seelike: Seelike
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = write_study(empty)
    assert "does not exist; `seelike compare STUDY` makes it" in seelike("report", nothing).refusal
    assert files(empty).keys() == {"study.yaml"}
    study, before = copy / "study.yaml", files(copy)
    said = seelike("report", study, "--set", "images.count=33")
    assert re.search(r"comparison [0-9a-f]{12} is not in .*; run its study again", said.refusal)
    assert files(copy) == before

    shutil.rmtree(copy / "report")
    shutil.rmtree(copy / "store" / "recordings")
    shutil.rmtree(copy / "store" / "signatures")
    monkeypatch.setattr(forward_passes, "summarise", mock.Mock(side_effect=AssertionError))
    said = seelike("report", study)
    assert said.lines == [str(copy / "report" / "index.html")]
    drawn = {
        name.removeprefix("report/"): content
        for name, content in before.items()
        if name.startswith("report/")
    }
    again = files(copy / "report")
    assert again.keys() == drawn.keys()
    for name, content in drawn.items():
        if name == "index.html":
            assert without_folds(again[name]) == without_folds(content)
        # What a comparison came from is told as far as it is still there.
        elif name != "provenance.json":
            assert again[name] == content


def without_folds(page: bytes) -> bytes:
    found, count = re.subn(rb"<details.*?</details>", b"", page, flags=re.DOTALL)
    assert count
    return found


def test_store_ls_lists_everything_and_rm_removes_it(copy: Path, seelike: Seelike) -> None:
    store = copy / "store"
    _, *things, total = seelike("store", "ls", store).lines
    assert [thing.split()[0] for thing in things] == [
        "recordings",
        "signatures",
        "measures",
        "comparisons",
    ]
    assert "colour ViT, complete" in things[0]
    assert "colour ViT, cka, complete" in things[1]
    assert things[2].endswith("cka")
    assert things[3].endswith("tiny")
    assert total.startswith("4 entries, ")

    digest = things[1].split()[1]
    before = files(store)
    assert "matches 0 entries" in seelike("store", "rm", "--what", "00000000", store).refusal
    assert "8 or more digits" in seelike("store", "rm", "--what", digest[:7], store).refusal
    assert files(store) == before
    assert seelike("store", "rm", "--what", digest, store).lines[0].startswith("removed 1 entry, ")
    assert [line.split()[0] for line in seelike("store", "ls", store).lines[1:-1]] == [
        "recordings",
        "measures",
        "comparisons",
    ]
    seelike("store", "rm", "--what", "recordings", store)
    assert seelike("store", "ls", store).lines[-1].startswith("2 entries, ")
    nowhere = copy / "nowhere"
    for action in (["ls"], ["verify"], ["rm", "--what", "recordings"]):
        assert "does not exist" in seelike("store", *action, nowhere).refusal
    assert not nowhere.exists()


def flip(chunk: Path) -> None:
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 16
    chunk.write_bytes(content)


@pytest.mark.parametrize(
    ("kind", "array", "chunk", "recorded"),
    [
        ("recordings", "blocks.1", "1/0/0", "recorded 1 batches"),
        (
            "signatures",
            "direction",
            "0/1/0",
            NOTHING_NEW,
        ),
    ],
)
def test_a_flipped_bit_is_named_mended_and_healed(
    copy: Path, seelike: Seelike, kind: str, array: str, chunk: str, recorded: str
) -> None:
    store, whole = copy / "store", files(copy / "store")
    fine = "every complete batch matches its checksum"
    assert seelike("store", "verify", store).lines == [fine]
    (thing,) = (store / kind).iterdir()
    flip(thing / array / "c" / chunk)
    harmed = files(store)

    refusal = seelike("store", "verify", store).refusal
    assert f"array '{array}' of {thing} is damaged in batch 1 " in refusal
    remedy = re.search(r"`seelike (store verify --mend [^`]+)`, then run the study again", refusal)
    assert remedy is not None
    assert files(store) == harmed

    # What the message says to do, word for word.
    (told,) = seelike(*remedy[1].split()).lines
    assert told.startswith("1 damaged batches marked as missing")
    assert "1 of 2 batches" in seelike("store", "ls", store).out
    assert seelike("compare", copy / "study.yaml").lines[0] == recorded
    assert seelike("store", "verify", store).lines == [fine]
    assert files(store) == whole


def test_a_damaged_chunk_stops_a_comparison_and_leaves_no_other(
    copy: Path, seelike: Seelike
) -> None:
    store = copy / "store"
    shutil.rmtree(store / "comparisons")
    shutil.rmtree(copy / "report")
    (thing,) = (store / "signatures").iterdir()
    flip(thing / "norm" / "c" / "0" / "0")
    refusal = seelike("compare", copy / "study.yaml").refusal
    assert f"array 'norm' of {thing} is damaged in batch 0" in refusal
    assert not (store / "comparisons").exists()
    assert not (copy / "report").exists()


def half_dead(folder: Path) -> dict[str, Any]:
    """A network whose second block's MLP gives the same whatever the image."""
    network = load(ModelSpec("a", timm=str(VIT["timm"]), arguments=TINY))
    weights = network.module.state_dict()
    weights["blocks.1.mlp.fc2.weight"].zero_()
    weights["blocks.1.mlp.fc2.bias"].fill_(0.3)
    save_file(weights, folder / "half-dead.safetensors")
    return {
        "models": [
            VIT | {"name": "half dead", "checkpoint": str(folder / "half-dead.safetensors")}
        ],
        "taps": ["blocks.*", "blocks.*.mlp"],
    }


def test_a_constant_tap_is_refused_or_left_out_and_listed(tmp_path: Path, seelike: Seelike) -> None:
    study = write_study(tmp_path, **half_dead(tmp_path))
    said = seelike("compare", study)
    assert (said.status, said.out) == (2, "")
    last = said.err.splitlines()[-1]  # Below the bars of the recording.
    assert last.startswith("seelike: constant over the images, ")
    assert "Traceback" not in said.err
    assert "no similarity is defined: half dead: blocks.1.mlp; " in last
    assert "--skip-degenerate" in last
    assert not (tmp_path / "store" / "comparisons").exists()
    assert not (tmp_path / "report").exists()

    said = seelike("compare", study, "--skip-degenerate")
    assert said.lines[0] == NOTHING_NEW
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Constant over the images, so left out: half dead: blocks.1.mlp." in page
    rows = (tmp_path / "report" / "data" / "cka.csv").read_text().splitlines()
    assert len(rows) == 1 + 5**2  # Of three blocks and three MLPs, one is out.
    assert "nan" not in "".join(rows).lower()


def pictures(folder: Path, count: int) -> Path:
    sample = from_sample(count=20)
    for i in range(count):
        place = folder / ("boots" if i % 2 else "shirts") / f"{i:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        # Grey and colour in one folder.
        sample.read(i).convert("L" if i % 3 else "RGB").save(place)
    return folder


def test_a_corrupt_image_is_refused_or_left_out_and_named(tmp_path: Path, seelike: Seelike) -> None:
    folder = pictures(tmp_path / "pictures", 13)
    torn = folder / "boots" / "05.png"
    torn.write_bytes(torn.read_bytes()[:200])
    study = write_study(tmp_path, images={"source": f"folder:{folder}"}, batch=6)
    before = files(tmp_path)
    refusal = seelike("compare", study).refusal
    assert f"image boots/05.png of folder:{folder} cannot be read" in refusal
    assert "--skip-bad-images" in refusal
    assert files(tmp_path) == before

    said = seelike("compare", study, "--skip-bad-images")
    assert said.lines[0] == "recorded 2 batches"
    page = (tmp_path / "report" / "index.html").read_text()
    assert "1 image could not be read and was left out: boots/05.png." in page
    assert "12 images" in page


def foreign_store(folder: Path) -> dict[str, Any]:
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.tex").write_text("x")
    return {"store": str(folder / "thesis")}


def older_store(folder: Path) -> dict[str, Any]:
    (folder / "older").mkdir()
    (folder / "older" / "seelike.json").write_text('{"format": 0}')
    return {"store": str(folder / "older")}


def no_pictures(folder: Path) -> dict[str, Any]:
    (folder / "notes").mkdir()
    (folder / "notes" / "readme.txt").write_text("x")
    return {"images": {"source": f"folder:{folder / 'notes'}"}}


def three_pictures(folder: Path) -> dict[str, Any]:
    return {"images": {"source": f"folder:{pictures(folder / 'few', 3)}"}}


def three_that_can_be_read(folder: Path) -> dict[str, Any]:
    (pictures(folder / "few", 4) / "boots" / "01.png").write_bytes(b"no")
    return {"images": {"source": f"folder:{folder / 'few'}"}, "skip_bad_images": True}


def other_checkpoint(folder: Path) -> dict[str, Any]:
    network = load(ModelSpec("a", timm=str(VIT["timm"]), arguments=TINY | {"num_classes": 7}))
    save_file(network.module.state_dict(), folder / "seven.safetensors")
    return {"models": [VIT | {"checkpoint": str(folder / "seven.safetensors")}]}


def torn_checkpoint(folder: Path) -> dict[str, Any]:
    (folder / "torn.safetensors").write_bytes(b"\x10" * 50)
    return {"models": [VIT | {"checkpoint": str(folder / "torn.safetensors")}]}


Made = Callable[[Path], dict[str, Any]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (no_pictures, r"folder:.*notes: no image in .*notes or below \(looked for .jpg"),
        (three_pictures, "3 images exist; the unbiased estimator needs at least 4"),
        (three_that_can_be_read, r"3 images exist \(1 could not be read\); .* at least 4"),
        (other_checkpoint, r"seven.* does not fit colour ViT: .*pass arguments: {num_classes: 7}"),
        (torn_checkpoint, "torn.safetensors' can't be read as safetensors; it is damaged"),
        ({"models": [VIT | {"checkpoint": "absent.pt"}]}, "checkpoint 'absent.pt' is no file"),
        (older_store, r"older has format 0, this seelike writes format \d+; name another store"),
        (foreign_store, "thesis is not empty and not a seelike store"),
        ({"store": "ftp://host/store"}, "begins with ftp://; expected a folder, or one of .*s3://"),
        ({"report": "hdfs://host/report"}, "begins with hdfs://; expected a folder, or one of"),
        ({"models": [{"name": "m", "timm": "vit_tinny_patch16_224"}]}, "'vit_tiny_patch16_224'"),
        ({"models": [VIT | {"arguments": {"depht": 3}}]}, "timm refuses arguments.*'depht'"),
        ({"taps": ["blocks.*.mlpp"]}, r"'blocks\.\*\.mlpp' matched nothing.*'blocks\.\*\.mlp'"),
        ({"taps": ["blocks.7"]}, r"'blocks\.7' matched nothing in colour ViT; nearest: 'blocks"),
        ({"models": [RESNET], "reduction": "cls"}, "'layer1.1' has no class token"),
        ({"images": {"source": "timm:torch/mnits"}}, "timm cannot open data set 'torch/mnits'"),
        ({"images": {"source": "smaple"}}, "'smaple', expected 'sample', 'digits', 'folder:PATH'"),
        ({"images": {"count": 9999}}, "9999 images were asked for, 2048 exist"),
        ({"bacth": 16}, "unknown key 'bacth'; nearest: 'batch'"),
        ({"compute": {"shrad": 64}}, "unknown key 'compute.shrad'; nearest: 'shard'"),
        ({"models": [VIT | {"checkpint": "x"}]}, r"'models\.0\.checkpint'; nearest: 'checkpoint'"),
        ({"models": [VIT | {"zoo": "vit"}]}, "needs exactly one of timm, zoo"),
        ({"models": [VIT, VIT]}, "two models are named 'colour ViT'"),
        ({"batch": 3}, r"batch: Input should be greater than or equal to 4 \(got 3\)"),
        ({"keep": "gradients"}, "keep: Input should be 'activations', 'signatures' or 'sketches'"),
        ({"name": "../up"}, "name '../up' is not usable"),
    ],
)
def test_a_mistake_in_a_study_is_one_line_and_nothing_is_written(
    tmp_path: Path, seelike: Seelike, changes: dict[str, Any] | Made, message: str
) -> None:
    study = write_study(tmp_path, **(changes(tmp_path) if callable(changes) else changes))
    before = files(tmp_path)
    assert re.search(message, seelike("compare", study).refusal)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "study.yaml does not exist"),
        (b"", "study.yaml holds no keys"),
        (b"- a\n- b\n", "study.yaml holds no keys"),
        (b"models: [\n", "study.yaml is not valid YAML: .*line 2"),
        (b"\xff\xfe\x00", "study.yaml cannot be read"),
        (b"name: a\n", "key 'models' is missing"),
    ],
)
def test_a_file_that_is_no_study_is_one_line(
    tmp_path: Path, seelike: Seelike, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "study.yaml").write_bytes(content)
    for verb in ("compare", "plan", "report", "train"):
        assert re.search(message, seelike(verb, tmp_path / "study.yaml").refusal)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("images", "expected key=value, such as images.count=512"),
        ("=3", "expected key=value"),
        ("images.cuont=3", "unknown key 'images.cuont'; nearest: 'count'"),
        ("models.4.name=a", "the study has no key 'models.4.name'"),
        ("batch=[1", "'batch', or the value is not YAML"),
        ("batch=many", "batch: Input should be a valid integer"),
    ],
)
def test_a_mistake_in_a_setting_is_one_line(
    tmp_path: Path, seelike: Seelike, setting: str, message: str
) -> None:
    study = write_study(tmp_path)
    assert message in seelike("compare", study, "--set", setting).refusal
    assert files(tmp_path).keys() == {"study.yaml"}


VERBS = [["compare"], ["train"], ["plan"], ["report"], ["layers"], ["store"]]
ACTIONS = [["store", action] for action in ("ls", "verify", "rm")]


@pytest.mark.parametrize("verb", [[], *VERBS, *ACTIONS], ids=" ".join)
def test_every_verb_explains_itself(seelike: Seelike, verb: list[str]) -> None:
    said = seelike(*verb, "-h")
    assert said.lines[0].startswith(f"Usage: {' '.join(['seelike', *verb])} [OPTIONS]")
    assert said.err == ""


@pytest.mark.parametrize("arguments", [[], ["comprae", "a.yaml"], *VERBS, ["store", "rm", "s"]])
def test_a_command_that_lacks_something_says_what_and_where_its_help_is(
    seelike: Seelike, arguments: list[str]
) -> None:
    assert re.search(r"`seelike.* -h` shows what it takes", seelike(*arguments).refusal)


def test_an_interruption_and_a_fault_have_a_status_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seelike: Seelike
) -> None:
    study = write_study(tmp_path)
    for error, status, line in (
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to continue"),
        (OSError(28, "No space left on device"), 1, "[Errno 28] No space left on device"),
    ):
        monkeypatch.setattr("seelike.flows.compare.compare", mock.Mock(side_effect=error))
        assert seelike("compare", study) == Said(status, "", f"seelike: {line}\n")


def test_a_process_of_its_own_says_one_line_for_a_mistake_inside_the_flow(tmp_path: Path) -> None:
    study = write_study(tmp_path, taps=["blocks.*.mlpp"])
    environment = {k: v for k, v in os.environ.items() if k not in QUIET}
    done = subprocess.run(
        [sys.executable, "-m", "seelike", "compare", str(study)],
        capture_output=True,
        text=True,
        env=environment | {"PREFECT_API_URL": PREFECT_API_URL.value(), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    said = Said(done.returncode, done.stdout, done.stderr)
    assert "'blocks.*.mlpp' matched nothing in colour ViT" in said.refusal
    assert files(tmp_path).keys() == {"study.yaml"}
