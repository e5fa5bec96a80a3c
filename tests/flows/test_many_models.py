"""The whole zoo beside twenty untrained networks of timm, in one study, one of which is broken."""

from pathlib import Path

import numpy as np
import pytest

from seelike.flows.errors import Incomplete
from seelike.flows.map import map_study
from seelike.flows.study.study import Study
from seelike.storage.networks.zoo import members
from seelike.storage.store import open_store

pytestmark = pytest.mark.usefixtures("server")

# Small ones of seven families.
PATTERNS = (
    ("resnet1*", 6),
    ("regnetx_00*", 3),
    ("vit_tiny_*", 2),
    ("convnext_[af]*", 3),
    ("mixer_s*", 2),
    ("mobilenetv3_small_*", 3),
    ("deit_tiny_*", 1),
)


@pytest.mark.slow
def test_all_zoo_networks_and_twenty_of_timm_are_mapped_and_one_that_fails_is_named(
    tmp_path: Path,
) -> None:
    broken = {"name": "lost", "timm": "resnet18", "checkpoint": "absent.safetensors"}
    several = [{"timm": pattern, "limit": count, "seed": 0} for pattern, count in PATTERNS]
    study = Study.model_validate(
        {
            "name": "many",
            "store": str(tmp_path / "store"),
            "images": {"source": "sample", "count": 16},
            "models": [{"zoo": "*"}, *several, broken],
            "keep": "signatures",
            "batch": 8,
            "baseline": False,
            "permutations": 0,
            "report": str(tmp_path / "report"),
        }
    )
    resolved = [model.name for model in study.models]
    assert len(resolved) == len(members()) + 20 + 1
    with pytest.raises(Incomplete, match=r"1 model is missing from .*: 'lost': "):
        map_study(study)
    store = open_store(study.store)
    (name,) = store.names("pairs")
    (mapped,) = store.names("maps")
    pairs = map_study(study.changed(models=study.models[:-1]))
    assert store.names("pairs") == [name] and store.names("maps") == [mapped]
    dataset = pairs.open()
    assert dataset["model"].values.tolist() == resolved[:-1]
    own = np.diagonal(dataset["similarity"].values, axis1=1, axis2=2)
    np.testing.assert_allclose(own, 1.0, atol=1e-6)
    # The list that the patterns stood for is kept with what was found.
    assert list(dataset.attrs["models"]) == resolved[:-1]
    page = (tmp_path / "report" / "map" / "index.html").read_text()
    assert "resnet18" in page
