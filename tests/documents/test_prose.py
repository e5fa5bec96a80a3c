"""The prose linter finds an example of every rule, and nothing in the project."""

import pytest

from .prose import DOCSTRING, NAME, ROOT, RULES, Rule, Text, document, findings, main, module, texts

PLAIN = (
    "Compute minibatch CKA of two layers.",
    "# One array per layer, one file per model.",
    "34 entries of 3.2 MB per model; start the Prefect server and open the Prefect UI.",
    "The untrained baseline of a model is never compared with a trained one.",
)


@pytest.mark.parametrize("rule", RULES, ids=[rule.pattern for rule in RULES])
def test_every_rule_finds_its_example(rule: Rule) -> None:
    for kind in rule.kinds:
        found = list(findings(Text("page", 3, kind, rule.example)))
        assert rule.instead in {one.instead for one in found}, kind
        assert {one.line for one in found} == {3}


@pytest.mark.parametrize("text", PLAIN)
def test_plain_prose_passes(text: str) -> None:
    assert not list(findings(Text("page", 1, DOCSTRING, text)))


MODULE = '''
"""Compute."""
# one file a model

def told(twin):
    """Of the model.

    One array a tap.
    """
    raise ValueError(f"{twin!r} means {len(twin)} things")
'''


def test_docstrings_comments_messages_and_names_of_a_module_are_read() -> None:
    found = [one for text in module("x.py", MODULE) for one in findings(text)]
    assert {(one.line, one.words) for one in found} == {
        *((3, "file a model"), (5, "told"), (6, "Of"), (8, "array a tap"), (10, "things")),
    }
    assert Text("x.py", 1, NAME, "x") in set(module("x.py", MODULE))


def test_blocks_of_code_in_documents_are_not_read() -> None:
    page = "Two things\n\n```python\nthings\n```\n`things`\nof a twin\n"
    found = [one for text in document("x.md", page) for one in findings(text)]
    assert [(one.line, one.words) for one in found] == [(7, "twin"), (1, "things")]


def test_the_project_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out
    assert len({text.path for text in texts(ROOT)}) > 10
