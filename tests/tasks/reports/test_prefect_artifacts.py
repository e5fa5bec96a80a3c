"""A report as a run's page shows it: plain numbers, a light picture, words that stay words."""

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from prefect.settings import PREFECT_API_URL, temporary_settings

from seelike.analysis.similarity import Estimate
from seelike.storage.reports.write import (
    Case,
    Check,
    Figure,
    Numbers,
    Page,
    Section,
    Table,
)
from seelike.tasks.reports.elements.prefect_artifacts import (
    PICTURE_BYTES,
    artifacts,
    claim_rows,
    place_of,
    publish,
    shrink_png,
    summary,
    table_rows,
)
from seelike.tasks.runtime.progress import progress
from seelike.tasks.runtime.run_log import run_log


def png(width: int, height: int, seed: int = 0) -> bytes:
    """Noise, which no PNG makes smaller."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(noise).save(content, "png")
    return content.getvalue()


def figure(name: str, content: bytes) -> Figure:
    return Figure(name, content, b"<svg/>", alt=f"{name} [alt]", caption=name)


NUMBERS = Table(
    ("model", "mean CKA of", "as given", "untrained baseline"),
    (
        ("ViT", "ends", Estimate(np.float32(0.5), 0.25, 0.75), Estimate(0.9)),
        ("ResNet", "ends", Estimate(float("nan"), None, float("inf")), None),
    ),
)
SIDES = (("ViT", Estimate(0.7, 0.6, 0.8)), ("ResNet", Estimate(0.6)))
CHECK = Check(
    "E1",
    "ViT above ResNet.",
    "seeds disagree",
    (
        Case(
            "ViT and ResNet",
            "holds",
            (
                Numbers("Mean CKA", SIDES, Estimate(np.float64(0.1), 0.05, 0.2), Estimate(0.05)),
                Numbers("Lowest CKA", SIDES, Estimate(0.3), None, Estimate(0.2, 0.1, 0.3)),
            ),
        ),
        Case("ViT-2 and ResNet", "can't tell", (Numbers("Mean CKA", SIDES, Estimate(0.4)),)),
        Case("ViT-3 and ResNet", "can't tell", settle="It has one head."),
    ),
)
PAGE = Page(
    title="How alike are they?",
    lead=("One *claim* of a_b_ and <script> agrees.",),
    sections=(
        Section("Claims", checks=(CHECK,)),
        Section("Within", figures=(figure("within-vit", png(8, 8)),), tables=(NUMBERS,)),
    ),
    first=figure("all-pairs", png(600, 400)),
    warnings=("1 image was left out: a|b.png.",),
)


def test_tables_hold_plain_numbers_and_nothing_where_there_is_none() -> None:
    rows = json.loads(json.dumps(list(table_rows(NUMBERS)), allow_nan=False))
    assert rows[0] == {
        "model": "ViT",
        "mean CKA of": "ends",
        **{"as given": 0.5, "as given low": 0.25, "as given high": 0.75},
        **{
            "untrained baseline": 0.9,
            "untrained baseline low": None,
            "untrained baseline high": None,
        },
    }
    assert set(rows[1].values()) == {"ResNet", "ends", None}
    claims = json.loads(json.dumps(list(claim_rows(PAGE)), allow_nan=False))
    assert [row["number"] for row in claims] == ["Mean CKA", "Lowest CKA", "Mean CKA"]
    assert [row["networks"] for row in claims] == ["ViT and ResNet"] * 2 + ["ViT-2 and ResNet"]
    assert [row["case verdict"] for row in claims] == ["holds", "holds", "can't tell"]
    assert all(row["verdict"] == "seeds disagree" for row in claims)
    assert [claims[0][name] for name in ("trained", "trained low", "trained high")] == [
        0.1,
        0.05,
        0.2,
    ]
    assert [row["untrained"] for row in claims] == [0.05, None, None]
    assert [row["learned high"] for row in claims] == [None, 0.3, None]
    assert all(list(row)[-1] == "claim" for row in claims)


def test_the_picture_is_that_of_all_pairs_and_shrink_png() -> None:
    text = summary(PAGE)
    (picture,) = re.findall(r"!\[all-pairs [^(]*\]\(data:image/png;base64,([^)]*)\)", text)
    shown = Image.open(io.BytesIO(base64.b64decode(picture)))
    assert shown.width / shown.height == pytest.approx(1.5, abs=0.02)
    assert len(text.encode()) < 200_000
    assert len(shrink_png(png(600, 400), at_most=PICTURE_BYTES)) <= PICTURE_BYTES


def test_a_flat_picture_keeps_its_pixels_and_colours() -> None:
    content = io.BytesIO()
    Image.new("RGB", (1200, 800), (10, 200, 30)).save(content, "png")
    shown = Image.open(io.BytesIO(shrink_png(content.getvalue(), at_most=PICTURE_BYTES)))
    assert shown.size == (1200, 800)
    assert shown.convert("RGB").getpixel((5, 5)) == (10, 200, 30)


def test_words_stay_words_and_only_what_a_browser_opens_is_a_link() -> None:
    text = summary(PAGE)
    assert r"One \*claim\* of a\_b\_ and \<script\> agrees." in text
    assert r"a\|b.png" in text
    assert place_of("/data/my report/index.html") == "`/data/my report/index.html`"
    bucket = "s3://bucket/report/index.html"
    assert place_of(bucket) == f"`{bucket}`"
    url = "https://reports.example/index.html"
    assert place_of(url) == f"[{url}]({url})"


def test_outside_of_a_run_nothing_is_asked_of_any_server(caplog: pytest.LogCaptureFixture) -> None:
    moved: list[Any] = []
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        with progress("record ViT shard 0", total=10, unit="images") as shown:
            shown.advance(5)
            moved.append(shown.advance(5))
        publish(artifacts(PAGE, study="study"), report="/report/index.html")
        run_log().info("said to nobody")
    assert moved == [None]
    assert not [record for record in caplog.records if record.levelname != "INFO"]
