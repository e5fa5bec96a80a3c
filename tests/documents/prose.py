"""Prose linter of the project: ``python -m tests.documents.prose`` exits with 1 on a finding.

It reads the documents, and of every Python file the docstrings, comments, strings with a space
and names of modules, classes, functions and parameters.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("flows", "tasks", "analysis", "storage", "benchmarks")
# Beginnings of paths that are not read, for a sweep in parts.
EXCLUDED: tuple[str, ...] = ()

NAME, DOCSTRING, STRING, COMMENT, DOCUMENT = "name", "docstring", "string", "comment", "document"
PROSE = frozenset({DOCSTRING, STRING, COMMENT, DOCUMENT})


class Text(NamedTuple):
    """A piece of prose, or a name, at a line of a file."""

    path: str
    line: int
    kind: str
    text: str


class Rule(NamedTuple):
    """Words to replace.

    Attributes:
        pattern: Regular expression, matched whatever the case unless it says ``(?-i:...)``.
        instead: What to say instead.
        example: Text that breaks the rule.
        kinds: Kinds of text that it applies to.
        except_in: Phrases, such as foreign names, in which the words may stand.
    """

    pattern: str
    instead: str
    example: str
    kinds: frozenset[str] = PROSE
    except_in: tuple[str, ...] = ()


class Finding(NamedTuple):
    """A match of a rule."""

    path: str
    line: int
    words: str
    instead: str


# What ratios are of: "images a batch".
COUNTED = (
    "images|numbers|MB|GB|kB|bytes|seconds|ms|one|sentence|vectors?|arrays?|rows?|lines?|panels?|"
    "colours?|writes|times|chunks?|files?|delayed|steps?|tasks?|values?|steps|minutes|once|"
    "product|pass|passes|columns?|checksum|number|cell|taps|layers|folder|thread|request"
)
UNITS = (
    "Gram|batch|tap|layer|model|image|network|chunk|second|minute|epoch|study|run|block|head|"
    "family|caller|axis|token|number|file|row|line|measure|seed|architecture|class|volume|case|"
    "subject|setting|group|worker|task|process|request|page|pair|cell|inch|depth|link|place|side"
)

RULES = (
    Rule(r"\btwins?\b", "untrained baseline", "the untrained twin of a model"),
    Rule(rf"\b({COUNTED}) an? ({UNITS})\b", "per", "256 images a Gram, one array a tap"),
    Rule(r"\bper Gram\b", "per batch", "256 images per Gram"),
    Rule(r"\bPrefect's page\b", "Prefect UI", "Progress on Prefect's page"),
    Rule(r"\bPrefect's server\b", "the Prefect server", "Start Prefect's server"),
    Rule(r"\bthings?\b", "entries, or what they are", "34 things in the store"),
    Rule(r"\brooms?\b", "package, memory or space", "the room of networks"),
    Rule(r"\bparcels?\b", "exchange volume", "a parcel with its manifest"),
    Rule(r"\bshel(f|ves)\b", "catalogue", "a shelf of models"),
    Rule(r"\blibrary of\b", "catalogue of", "a library of models"),
    Rule(r"\bkin\b", "related models", "the kin of a model"),
    Rule(r"\bcasts\b", "role assignments", "casts of the study"),
    Rule(
        r"\btold\b",
        "reported, distinguished, given",
        "the difference is not told from chance",
    ),
    Rule(r"\b(said )?anew\b", "again", "a label said anew"),
    Rule(
        r"\bputs? [^.,;]* sentence to\b", "tests the same statement", "E5 puts the sentence to it"
    ),
    Rule(
        r"\A(Of|That|Those|These|It|They|Its)\b",
        "a verb, or a noun of the field, as the first word",
        "Those of the models that failed.",
        frozenset({DOCSTRING}),
    ),
    Rule(
        r"\A(What|Which|Where|Who|How|Why)\b",
        "a verb, or a noun of the field, as the first word",
        "What is on disk.",
        frozenset({DOCSTRING}),
    ),
    Rule(
        r"\A_?(told|seen|looked|drawn|traced|framed|foremost|behind|broken|ways|kin|casts|signing|"
        r"settled|unseen|foresee|drafted|parcel|parcels|shelf|library|unsummed|exhaustion|"
        r"lacks|beyond)\Z",
        "verb and object, or a term of the field",
        "told",
        frozenset({NAME}),
    ),
)


def findings(text: Text) -> Iterator[Finding]:
    """Matches of all rules in one text."""
    for rule in RULES:
        if text.kind not in rule.kinds:
            continue
        for match in re.finditer(rule.pattern, text.text, re.IGNORECASE):
            around = text.text[max(0, match.start() - 30) : match.end() + 30]
            if not any(phrase in around for phrase in rule.except_in):
                line = text.line + text.text.count("\n", 0, match.start())
                yield Finding(text.path, line, match[0].replace("\n", " "), rule.instead)


def document(path: str, content: str) -> Iterator[Text]:
    """Prose of a Markdown page: all but its blocks of code, in paragraphs."""
    kept, fenced = [], False
    for line in content.split("\n"):
        fence = line.lstrip().startswith("```")
        kept.append("" if fence or fenced else re.sub(r"`[^`]*`", "``", line))
        fenced ^= fence
    yield Text(path, 1, DOCUMENT, "\n".join(kept))


def module(path: str, content: str) -> Iterator[Text]:
    """Docstrings, comments, strings with a space and names of a Python file."""
    tree = ast.parse(content)
    yield Text(path, 1, NAME, Path(path).stem)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(first.value)
                yield Text(path, first.value.lineno, DOCSTRING, str(first.value.value))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield Text(path, node.lineno, NAME, node.name)
        if isinstance(node, ast.arg):
            yield Text(path, node.lineno, NAME, node.arg)
    yield from _strings(path, tree, docstrings)
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield Text(path, token.start[0], COMMENT, token.string)


def _strings(path: str, tree: ast.AST, docstrings: set[ast.Constant]) -> Iterator[Text]:
    """Strings with a space; an f-string as one, its values as braces."""
    parts = set(docstrings)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {part for part in node.values if isinstance(part, ast.Constant)}
            words = [str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values]
            yield Text(path, node.lineno, STRING, "".join(words))
        elif isinstance(node, ast.Constant) and node not in parts and " " in str(node.value):
            yield Text(path, node.lineno, STRING, str(node.value))


def texts(root: Path, *, excluded: tuple[str, ...] = EXCLUDED) -> Iterator[Text]:
    """All texts of the project in ``root``, without the paths that begin as ``excluded``."""
    pages = [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("**/*.md"))]
    modules = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    modules += sorted((root / "seelike").glob("*.py"))
    for path in [*pages, *modules]:
        name = path.relative_to(root).as_posix()
        if not name.startswith(excluded):
            read = document if path.suffix == ".md" else module
            yield from read(name, path.read_text())


def main(root: Path = ROOT) -> int:
    """Print every finding as ``path:line: words -> say``; 1 where there is one."""
    found = [finding for text in texts(root) for finding in findings(text)]
    for one in found:
        print(f"{one.path}:{one.line}: {one.words!r}; say {one.instead}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
