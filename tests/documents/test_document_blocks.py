"""Every block of code in the documents runs, or is read by the parser that will read it."""

import ast
import doctest
import importlib
import re
import shlex
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import prefect.settings
import pytest
import typer
import xarray as xr
import yaml
from distributed.cli.dask_scheduler import main as dask_scheduler
from distributed.cli.dask_worker import main as dask_worker
from markdown_it import MarkdownIt
from prefect.cli._app import _app as prefect_app
from prefect.client.schemas.schedules import CronSchedule

import seelike.flows.compare
import seelike.flows.map
from seelike.analysis.similarity.measures import value
from seelike.flows.cli.main import parse
from seelike.flows.study.reading import read_study
from seelike.flows.study.study import Study

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

# Blocks that are neither run nor read, by page and first words: why.
NOT_RUN = {
    ("docs/operations.md", "starting http://"): "what `make serve` prints",
}
# Commands that are not this project's, and whose own parser is not installed.
OTHER_COMMANDS = {"createdb": "PostgreSQL's"}
# Keys of a study in running text that no study can have as they stand, by page: why.
NOT_A_KEY = {
    ("docs/adding-a-measure.md", "similarity: [cka, euclidean]"): "once the reader has entered it",
    ("docs/adding-an-analysis.md", "anatomy: [attention, sparsity]"): "likewise",
}


class Block(NamedTuple):
    """A block of a page: its language ("" of an indented one), its text, and where it starts."""

    page: str
    line: int
    language: str
    text: str

    @property
    def kind(self) -> str:
        for page, start in NOT_RUN:
            if page == self.page and self.text.startswith(start):
                return "not run"
        if self.language in ("python", "yaml"):
            return self.language
        if self.text.startswith("pull:"):
            return "deployment"
        if self.language == "mermaid":
            return "diagram"  # tests/documents/test_architecture.py reads them.
        return "shell" if self.language in ("", "sh", "bash", "console") else "unknown"


def tokens(page: Path) -> list[Any]:
    return MarkdownIt().parse(page.read_text())


def blocks() -> list[Block]:
    """All blocks of code of all pages, in their order."""
    return [
        Block(str(page.relative_to(ROOT)), token.map[0] + 1, token.info.strip(), token.content)
        for page in PAGES
        for token in tokens(page)
        if token.type in ("fence", "code_block")
    ]


def inline() -> list[tuple[str, str]]:
    """All code in running text, with its page."""
    return [
        (str(page.relative_to(ROOT)), child.content)
        for page in PAGES
        for token in tokens(page)
        for child in token.children or ()
        if child.type == "code_inline"
    ]


def of_kind(kind: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{block.page}:{block.line}")
        for block in blocks()
        if block.kind == kind
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages name: small studies of the shipped networks."""
    here = tmp_path_factory.mktemp("documents")
    models = {"ViT": "vit", "mine": "mixer", "ResNet": "resnet", "ViT seed 1": "vit-seed1"}
    study = {
        "store": "store",
        "images": {"source": "sample", "count": 64},
        "models": [{"name": name, "zoo": zoo} for name, zoo in models.items()],
        "keep": "signatures",
        "batch": 16,
        "permutations": 10,
        "baseline": False,
    }
    (here / "study.yaml").write_text(yaml.safe_dump(study | {"name": "documents"}))
    shutil.copytree(ROOT / "studies", here / "studies")
    for name in ("map", "probe"):
        (here / "studies" / f"{name}.yaml").write_text(yaml.safe_dump(study | {"name": name}))
    return here


def test_every_block_is_of_a_kind_that_is_tested_and_exceptions_are_there() -> None:
    unknown = [f"{b.page}:{b.line}" for b in blocks() if b.kind == "unknown"]
    assert not unknown, "neither Python, YAML nor shell: test them or list them in NOT_RUN"
    for page, start in NOT_RUN:
        assert any(b.page == page and b.text.startswith(start) for b in blocks()), (page, start)
    for one in NOT_A_KEY:
        assert one in inline(), one
    assert {b.kind for b in blocks()} == {
        *("python", "yaml", "shell", "deployment", "diagram", "not run")
    }


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("page", sorted({b.page for b in blocks() if b.kind == "python"}))
def test_python_runs_from_top_to_bottom(
    page: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    # The pages read numbers: drawing reports takes most of a flow's time, and has its own tests.
    monkeypatch.setattr(seelike.flows.compare, "write_report", lambda comparison, **_: comparison)
    monkeypatch.setattr(seelike.flows.map, "write_map", lambda mapped, **_: mapped)
    rng = np.random.default_rng(0)
    names: dict[str, Any] = {"__name__": page}
    names |= {"x": rng.normal(size=(32, 5)), "y": rng.normal(size=(32, 7))}
    for block in blocks():
        if block.page == page and block.kind == "python":
            for found in values(block, names):
                assert not isinstance(found, xr.DataArray) or found.size, f"line {block.line}"


def values(block: Block, names: dict[str, Any]) -> Iterator[Any]:
    """Run a block among ``names``: what each expression that stands alone gives."""
    # Errors name the line of the page.
    source = "\n" * block.line + block.text
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Expr):
            expression = compile(ast.Expression(statement.value), block.page, "eval")
            found = eval(expression, names)
            yield from found if isinstance(found, tuple) else (found,)
        else:
            exec(compile(ast.Module([statement], []), block.page, "exec"), names)


def test_the_ways_to_add_something_say_what_comes_out() -> None:
    pages = [str(page.relative_to(ROOT)) for page in PAGES if page.name.startswith("adding-")]
    assert len(pages) == 3
    for page in pages:
        assert any(b.page == page and b.kind == "python" and "assert " in b.text for b in blocks())


def test_examples_in_docstrings_give_what_they_say() -> None:
    found = doctest.testmod(value)
    assert found.attempted and not found.failed


@pytest.mark.parametrize("block", of_kind("yaml"))
def test_studies_are_read_as_they_stand(block: Block) -> None:
    read_fragment(block.text)


def read_fragment(text: str) -> Study:
    """A study, some of its keys, or some of its models, read with what it lacks beside it."""
    found = yaml.safe_load(text)
    if isinstance(found, list):
        starts = {(model.get("about") or {}).get("start") for model in found} - {None}
        found = {"models": [*found, *({"name": one, "zoo": "vit"} for one in sorted(starts))]}
    return Study.model_validate({"models": [{"name": "ViT", "zoo": "vit"}]} | found)


def test_keys_of_a_study_in_running_text_are_read() -> None:
    read = 0
    for page, text in inline():
        key = re.match(r"(\w+): \S", text)
        if key is None or key[1] not in Study.model_fields or "..." in text:
            continue
        if (page, text) not in NOT_A_KEY:
            read_fragment(text)
            read += 1
    assert read > 10


@pytest.mark.parametrize("block", of_kind("shell"))
def test_commands_are_those_of_their_parsers(block: Block, folder: Path) -> None:
    for line in block.text.strip().splitlines():
        words = shlex.split(line, comments=True)
        assert words, line
        check_command(words, folder)


def test_commands_in_running_text_are_those_of_their_parsers(folder: Path) -> None:
    checked = 0
    for _, text in inline():
        words = text.split()
        if words[0] in ("seelike", "make", "prefect") and len(words) > 1 and "VERB" not in words:
            # A verb by itself is named, not called.
            verb = words[0] == "seelike" and len(words) == 2
            check_command([*words, "--help"] if verb else words, folder)
            checked += 1
    assert checked > 10


def check_command(words: list[str], folder: Path) -> None:
    """Read one command as the program it calls will; fails where that would refuse it."""
    program, *rest = words
    match program.removeprefix(".venv/bin/"):
        case "seelike":
            check_seelike(rest, folder)
        case "make":
            assert set(rest) <= make_targets(), words
        case "prefect":
            inner = prefect_app.meta.parse_args(rest, print_error=False, exit_on_error=False)
            prefect_app.parse_args(
                inner[1].arguments["tokens"], print_error=False, exit_on_error=False
            )
        case "dask":
            command = {"scheduler": dask_scheduler, "worker": dask_worker}[rest[0]]
            command.make_context(rest[0], rest[1:])
        case "export":
            for name, _, given in (word.partition("=") for word in rest):
                assert given, words
                known = not name.startswith("PREFECT_") or hasattr(prefect.settings, name)
                assert known, f"{name} is no setting of Prefect"
        case other:
            assert other in OTHER_COMMANDS, f"{words}: test it, or list it in OTHER_COMMANDS"


def check_seelike(words: list[str], folder: Path) -> None:
    try:
        given = parse(words).params
    except typer.Exit as end:
        assert end.exit_code == 0, f"seelike {' '.join(words)}"
        return
    if "study" in given and given["study"].name != "STUDY":
        read_study(folder / given["study"], settings=given["settings"] or ())
    if given.get("cron"):
        CronSchedule(cron=given["cron"])


@cache
def make_targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("block", of_kind("deployment"))
def test_steps_of_a_deployment_are_there(block: Block) -> None:
    for step in yaml.safe_load(block.text)["pull"]:
        for name in step:
            module, _, function = name.rpartition(".")
            assert callable(getattr(importlib.import_module(module), function))
