"""Data model of a report: one page of sections with figures, tables, claims and CSV files."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from seelike.storage.reports.origins import Lineage

# Figures are drawn at two pixels for each pixel of the page: sharp on fine screens.
_PIXELS = 2


@runtime_checkable
class EstimateLike(Protocol):
    """A number with its interval, whatever the type; None shows as a dash."""

    @property
    def value(self) -> float | None:
        """The number."""

    @property
    def low(self) -> float | None:
        """Lower end of its interval, None without one."""

    @property
    def high(self) -> float | None:
        """Upper end of its interval, None without one."""


Verdict = Literal[
    "holds", "holds before training too", "does not hold", "seeds disagree", "can't tell"
]
Cell = str | int | float | EstimateLike | None


@dataclass(frozen=True)
class Figure:
    """A rendered figure.

    Attributes:
        name: Stem of its files, unique on the page.
        png: PNG at two pixels per pixel of the page.
        svg: The same as SVG.
        alt: The finding in words, for readers who do not see the figure.
        caption: The text below it.
        data: Name of the ``Csv`` with its numbers, '' without one.
        explorer: The same as a Bokeh document (JSON) that answers to the pointer, '' without one.
        models: Models whose numbers it shows, () for all.
        origins: Lineage of its numbers.
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
    """Rows under a header; number columns are right-aligned, floats have ``decimals`` places."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    decimals: int = 3


@dataclass(frozen=True)
class Numbers:
    """A number of a claim.

    Attributes:
        measure: Name of the measured quantity.
        sides: The two numbers that are compared, with their labels.
        trained: Their difference.
        untrained: The same difference in the untrained baselines.
        learned: ``trained`` less ``untrained``.
    """

    measure: str
    sides: tuple[tuple[str, EstimateLike], tuple[str, EstimateLike]]
    trained: EstimateLike
    untrained: EstimateLike | None = None
    learned: EstimateLike | None = None


@dataclass(frozen=True)
class Case:
    """A claim tested on the networks of one seed; ``settle`` says what would decide it."""

    networks: str
    verdict: Verdict
    numbers: tuple[Numbers, ...] = ()
    settle: str = ""


@dataclass(frozen=True)
class Check:
    """A claim of the paper, tested on networks that differ in their seed alone.

    Attributes:
        experiment: Experiment of the paper, such as 'E1'.
        claim: The paper's statement.
        verdict: Verdict over all cases.
        cases: One per seed.
        seeds: How many seeds there are, and whether they agree.
        least: The smallest difference that matters, with its reason.
        remark: Why there is no case.
        id: Key of the claim in the catalogue.
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
    """Formulas and settings behind a section's numbers, in a fold."""

    formulas: tuple[str, ...]
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading and its content, in this order; ``data`` are the numbers as files."""

    title: str
    paragraphs: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    method: Method | None = None
    data: tuple["Csv", ...] = ()


@dataclass(frozen=True)
class Group:
    """A part of the provenance in a fold: named values, and tables."""

    title: str
    items: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Csv:
    """A CSV file: ``name`` is the file's stem, ``about`` says what a line holds."""

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
        """All figures, in reading order."""
        first = [] if self.first is None else [self.first]
        return [*first, *(figure for section in self.sections for figure in section.figures)]

    @property
    def data(self) -> list[Csv]:
        """CSV files of all sections, one that several sections share once."""
        return list(dict.fromkeys(csv for section in self.sections for csv in section.data))
