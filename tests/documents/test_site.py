"""The documents build as a site, with every page, link and docstring in its place."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder


def test_the_reference_has_every_public_name(site: Path) -> None:
    import seelike

    text = "".join(page.read_text() for page in (site / "api").glob("*.html"))
    names = {getattr(seelike, name).__name__ for name in seelike.__all__}
    assert not [name for name in sorted(names) if not re.search(rf'id="[\w.]+\.{name}"', text)]


def test_no_page_asks_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|iframe)[^>]* src=\"(https?:[^\"]+)|"
            r"<link[^>]* rel=\"(?:stylesheet|preload)\"[^>]* href=\"(https?:[^\"]+)",
            page.read_text(),
        )
        assert not loaded, page.name
