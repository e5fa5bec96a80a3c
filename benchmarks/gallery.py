"""docs/gallery.md: figures of reports, small enough to be committed; `make gallery`."""

import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from seelike.tasks.reports.elements.prefect_artifacts import shrink_png

DOCS = Path(__file__).parents[1] / "docs"
MOST_BYTES = 150_000
HEAD = """# Gallery

Figures of two reports on the shipped networks: `make demo` and
`seelike anatomy studies/anatomy.yaml`. `make gallery` makes this page. A report also has each
figure as PNG and SVG, and its numbers as CSV.
"""
_FIGURE = re.compile(
    r'<figure id="figure-(?P<name>[a-z0-9-]+)".*? alt="(?P<alt>[^"]*)".*?'
    r"</b> (?P<caption>.*?)\n<span",
    re.DOTALL,
)


def figures(report: Path) -> Iterator[tuple[str, str, str]]:
    """Name, alternative text and caption of every figure of a report, in its order."""
    for found in _FIGURE.finditer((report / "index.html").read_text()):
        yield found["name"], html.unescape(found["alt"]), html.unescape(found["caption"])


def gallery(reports: list[Path], docs: Path) -> Path:
    """Write gallery.md and gallery/*.png into ``docs``, and remove other pictures."""
    folder = docs / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    lines, made = [HEAD], set()
    for report in reports:
        for name, alt, caption in figures(report):
            picture = folder / f"{name}.png"
            picture.write_bytes(
                shrink_png((report / "figures" / picture.name).read_bytes(), at_most=MOST_BYTES)
            )
            made.add(picture)
            lines.append(f"![{alt.translate(_PLAIN)}](gallery/{picture.name})\n\n{caption}\n")
    for picture in set(folder.glob("*.png")) - made:
        picture.unlink()
    page = docs / "gallery.md"
    page.write_text("\n".join(lines))
    return page


# Brackets would end the alternative text.
_PLAIN = {ord("["): "(", ord("]"): ")"}

if __name__ == "__main__":
    print(gallery([Path(name) for name in sys.argv[1:]], DOCS))
