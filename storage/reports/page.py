"""What a report is made of: figures, tables, claims and numbers, in sections of one page."""

from dataclasses import dataclass
from typing import Literal

from seelike.storage.reports.origins import Lineage

# Figures are drawn at two pixels for each pixel of the page: sharp on fine screens.
_PIXELS = 2


@dataclass(frozen=True)
class Estimate:
    """A number and, where there is one, its interval; None shows as a dash."""

    value: float | None
    low: float | None = None
    high: float | None = None


Verdict = Literal[
    "holds", "holds before training too", "does not hold", "seeds disagree", "can't tell"
]
Cell = str | int | float | Estimate | None


@dataclass(frozen=True)
class Figure:
    """A drawing: ``name`` becomes the files', ``alt`` states the finding, ``data`` names a Csv.

    ``explorer`` is the same drawing for the pointer, a Bokeh document's JSON. ``models`` are
    those whose numbers it shows, ``origins`` what it was drawn from.
    """

    name: str
    png: bytes
    svg: bytes
    alt: str
    caption: str
    data: str = ""
    explorer: str = ""
    models: tuple[str, ...] = ()
    origins: tuple[Lineage, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page."""
        width, height = (int.from_bytes(self.png[at : at + 4]) for at in (16, 20))
        return width // _PIXELS, height // _PIXELS


@dataclass(frozen=True)
class Table:
    """Rows under a header; columns of numbers stand right, floats show ``decimals`` places."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    decimals: int = 3


@dataclass(frozen=True)
class Numbers:
    """One number of a claim: two ``sides`` with their labels, and ``trained``, their difference.

    ``untrained`` is that difference before training, ``learned`` trained less untrained.
    """

    measure: str
    sides: tuple[tuple[str, Estimate], tuple[str, Estimate]]
    trained: Estimate
    untrained: Estimate | None = None
    learned: Estimate | None = None


@dataclass(frozen=True)
class Case:
    """A claim put to the networks of one seed; ``settle`` says what a number would take to tell."""

    networks: str
    verdict: Verdict
    numbers: tuple[Numbers, ...] = ()
    settle: str = ""


@dataclass(frozen=True)
class Check:
    """One claim of the paper, put to networks that differ in their seed alone: a case each.

    ``least`` is the smallest difference that matters, with its reason; ``seeds`` says how many
    there are and whether they agree; ``remark`` why there is no case.
    """

    experiment: str
    claim: str
    verdict: Verdict
    cases: tuple[Case, ...] = ()
    seeds: str = ""
    least: str = ""
    remark: str = ""
    id: str = ""


@dataclass(frozen=True)
class Method:
    """How a section's numbers were computed, folded away: formulas, and settings by name."""

    formulas: tuple[str, ...]
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, in this order."""

    title: str
    paragraphs: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    method: Method | None = None


@dataclass(frozen=True)
class Group:
    """A part of the provenance, folded away: names with values, and tables."""

    title: str
    items: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Csv:
    """Numbers to take along: ``name`` becomes the file's, ``about`` says what a line holds."""

    name: str
    text: str
    about: str = ""


@dataclass(frozen=True)
class Page:
    """A report: a first screen, then sections, provenance and data.

    The first screen has the question (``title``), the answer (``lead``), a verdict on each claim
    of the sections, and the figure ``first``.
    """

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]
    provenance: tuple[Group, ...] = ()
    data: tuple[Csv, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    first: Figure | None = None

    @property
    def verdicts(self) -> list[tuple[Check, int]]:
        """The checks of all sections, each with the number of its section."""
        return [
            (check, number)
            for number, section in enumerate(self.sections, start=1)
            for check in section.checks
        ]

    @property
    def figures(self) -> list[Figure]:
        """All of them, in reading order."""
        first = [] if self.first is None else [self.first]
        return [*first, *(figure for section in self.sections for figure in section.figures)]
