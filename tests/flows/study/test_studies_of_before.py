"""Study files of the version before 0.2.0 mean the same as they did then."""

import json
from pathlib import Path

import pytest

from seelike.flows.study.reading import read_study

# Study files of commit 46d17b0, and what `Study.model_dump(mode="json")` made of them there.
BEFORE = Path(__file__).parent / "before"
MEANT = json.loads((BEFORE / "studies.json").read_text())


@pytest.mark.parametrize("name", MEANT)
def test_every_key_has_the_value_that_it_had(name: str) -> None:
    read = read_study(BEFORE / name).model_dump(mode="json")
    assert {key: read[key] for key in MEANT[name]} == MEANT[name]
