"""Which models of a study differ in one thing only."""

from typing import Any

from seelike.analysis.claims.relations import Relations


def vit(
    *, arguments: dict[str, Any] | None = None, skip_free: int | None = None, **origin: Any
) -> dict[str, Any]:
    own = arguments or {}
    return {
        "trained": True,
        "pooling": "GAP" if own.get("global_pool") == "avg" else "CLS",
        "skip_free": skip_free,
        "built": {
            "from": "vit",
            "arguments": own | ({} if skip_free is None else {"skip_free": skip_free}),
        },
        "origin": {"data": "images", "fraction": 1.0, "start": None, "seed": 0} | origin,
    }


RELATIONS = Relations(
    {
        "seed 1": vit(seed=1),
        "full": vit(),
        "tenth": vit(fraction=0.1),
        "third": vit(fraction=0.3, seed=1),
        "tenth of others": vit(fraction=0.1, data="others"),
        "gap": vit(arguments={"class_token": False, "global_pool": "avg"}),
        "broken": vit(skip_free=3),
        "deep": vit(arguments={"depth": 4}),
        "tuned": vit(start="full", data="digits"),
        "tuned from elsewhere": vit(start="zoo:vit", data="digits"),
        "shipped": vit(data="more") | {"zoo": "vit"},
    }
)


def test_a_fraction_has_the_full_networks_of_its_data_its_own_seed_first() -> None:
    assert RELATIONS.full("tenth") == ["full", "seed 1"]
    assert RELATIONS.full("third") == ["seed 1", "full"]
    assert RELATIONS.full("tenth of others") == []
    assert RELATIONS.full("full") == []


def test_twins_differ_in_the_one_argument() -> None:
    assert RELATIONS.intact("broken") == "full"
    assert RELATIONS.class_token("gap") == "full"
    for other in ("full", "deep", "tenth", "tuned"):
        assert RELATIONS.intact(other) is None
        assert RELATIONS.class_token(other) is None


def test_a_start_is_named_as_the_study_does_or_as_the_zoo() -> None:
    assert RELATIONS.start("tuned") == "full"
    assert RELATIONS.start("tuned from elsewhere") == "shipped"
    assert RELATIONS.start("full") is None


def test_seeds_differ_in_nothing_else() -> None:
    assert RELATIONS.seeds() == [["seed 1", "full"]]


def test_the_first_of_every_architecture_leads() -> None:
    assert RELATIONS.first_of_each_architecture() == ["seed 1", "gap", "deep"]


def test_copies_and_seeds_that_are_stated_twice_are_said() -> None:
    weights = {"full": "a", "copy": "a", "again": "b"}
    known = Relations({name: vit() | {"weights": own} for name, own in weights.items()})
    said = " ".join(known.doubtful_seeds())
    assert "full and copy have the same weights" in said
    assert "full and again state the same seed, 0, but have different weights" in said
    apart = {name: vit(seed=seed) | {"weights": name} for seed, name in enumerate("ab")}
    assert Relations(apart).doubtful_seeds() == []


def test_networks_of_unknown_seeds_are_not_taken_for_seeds_of_each_other() -> None:
    known = Relations({name: vit(seed=seed) for name, seed in {"a": 0, "b": 1}.items()})
    assert known.seed_group("a") == known.seed_group("b")
    unknown = Relations({name: vit(seed=None) for name in "ab"})
    assert unknown.seed_group("a") != unknown.seed_group("b")
