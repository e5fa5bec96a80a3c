"""The gallery has what reports have, light enough to be committed."""

import io
from pathlib import Path

from PIL import Image

from benchmarks.gallery import gallery
from seelike.storage.reports import write
from seelike.storage.reports.write import Figure, Page, Section


def test_the_gallery_has_every_figure_of_a_report_and_stays_light(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.effect_noise((1400, 1000), 90).convert("RGB").save(content, "png")
    figure = Figure("within-vit", content.getvalue(), b"<svg/>", "CKA 0.5 [0.4, 0.6]", "A & B.")
    write.write(str(tmp_path / "r"), Page("?", (), (Section("s", figures=(figure,)),)))
    (tmp_path / "docs" / "gallery").mkdir(parents=True)
    (tmp_path / "docs" / "gallery" / "gone.png").write_bytes(b"")
    page = gallery([tmp_path / "r"], tmp_path / "docs").read_text()
    assert "![CKA 0.5 (0.4, 0.6)](gallery/within-vit.png)\n\nA & B.\n" in page
    (picture,) = (tmp_path / "docs" / "gallery").iterdir()
    assert picture.stat().st_size <= 200_000
