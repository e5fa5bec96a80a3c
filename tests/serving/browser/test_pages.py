"""What a person sees: the page of a run with its artifacts, and the report, in Chromium."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from seelike.flows.study.settings import Images
from seelike.flows.study.study import Study

# On a busy machine a page takes longer than the 5 s that Playwright waits.
expect.set_options(timeout=20_000)
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no chromium to open the pages with (apt-get install chromium)",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, which is what CI runs as.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Watched:
    """A page, what it complained of, and the machines that it asked for anything."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.asked(urlsplit(request.url).netloc))

    def asked(self, host: str) -> None:
        """What a page holds in itself (data:, blob:, file:) has no host."""
        self.hosts |= {host} - {""}


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    yield Watched(page)
    page.close()


@pytest.fixture(scope="module")
def artifacts(served: Any, small: Any) -> dict[str, str]:
    """The addresses of the run's artifacts, by their keys."""
    run, _ = small
    with served.client() as client:
        asked = {"artifacts": {"flow_run_id": {"any_": [str(run.id)]}}}
        found = client.request("POST", "/artifacts/filter", json=asked).json()
    return {one["key"]: f"{served.url}/artifacts/artifact/{one['id']}" for one in found}


def test_the_page_of_a_run_shows_how_it_ended_and_its_artifacts(
    served: Any, small: Any, watched: Watched, tmp_path: Path
) -> None:
    run, _ = small
    page = watched.page
    page.goto(f"{served.url}/runs/flow-run/{run.id}")
    expect(page.get_by_text("compare-Small study").first).to_be_visible()
    expect(page.get_by_text("Completed").first).to_be_visible()
    expect(page.get_by_text("ViT: 2 of 2 batches are missing")).to_be_visible()
    page.get_by_text("Artifacts", exact=True).last.click()
    for key in ("record-vit-shard-0", "claims-small-study", "report-small-study"):
        expect(page.get_by_text(key, exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "run.png")
    # Nobody else is told that somebody looks at a run.
    assert watched.hosts == {f"127.0.0.1:{served.port}"}


def test_the_picture_of_the_report_is_really_drawn(
    artifacts: dict[str, str], small: Any, watched: Watched, tmp_path: Path
) -> None:
    page = watched.page
    page.goto(artifacts["report-small-study"])
    picture = page.locator("img[src^='data:image/png']")
    expect(picture).to_be_visible()
    page.screenshot(path=tmp_path / "report-artifact.png", full_page=True)
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 600
    expect(page.get_by_text("CKA between all pairs of 18 layers on 64 images")).to_be_visible()
    expect(page.get_by_text(str(small[1]))).to_be_visible()


def test_tables_and_progress_show_their_numbers(
    artifacts: dict[str, str], watched: Watched, tmp_path: Path
) -> None:
    page = watched.page
    page.goto(artifacts["numbers-small-study"])
    expect(page.get_by_text("least similar 5 % of pairs").first).to_be_visible()
    page.goto(artifacts["claims-small-study"])
    expect(page.get_by_text("holds", exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "claims.png")
    page.goto(artifacts["record-vit-shard-0"])
    expect(page.get_by_text("64 of 64 images").first).to_be_visible()
    expect(page.get_by_text("100").first).to_be_visible()
    page.screenshot(path=tmp_path / "progress.png")


def test_a_study_is_a_form_with_words_for_every_field(
    served: Any, watched: Watched, tmp_path: Path
) -> None:
    page = watched.page
    with served.client() as client:
        nightly = client.read_deployment_by_name("compare/nightly")
    page.goto(f"{served.url}/deployments/deployment/{nightly.id}/run")
    for field in (Images.model_fields["count"], Study.model_fields["reduction"]):
        # Prefect shows Markdown: what stands in code marks is an element of its own.
        words = str(field.description).split("`")[0].strip()
        expect(page.get_by_text(words)).to_be_visible()
    page.screenshot(path=tmp_path / "form.png", full_page=True)


@pytest.mark.parametrize("width", [1280, 400])
def test_the_report_fits_the_window_and_complains_of_nothing(
    small: Any, watched: Watched, width: int, tmp_path: Path
) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(small[1].as_uri())
    page.screenshot(path=tmp_path / f"report-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) > 3
    assert all(width > 0 for width in widths)
    assert watched.errors == []
    assert watched.hosts == set()
