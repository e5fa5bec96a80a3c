"""Patterns over network names, expanded to models when a study is read."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.timm_patterns import is_pattern, matching_models
from seelike.flows.study.settings import Part
from seelike.storage.errors import suggest
from seelike.storage.networks.zoo import members

NAME = "{name}"


class ModelPattern(Part):
    """Several networks by one pattern: a `timm` or `zoo` name with `*`, `?` or `[`."""

    timm: str | None = Field(
        None, description="pattern over timm's model names, such as vit_*_224*"
    )
    zoo: str | None = Field(
        None, description="pattern over the networks of the reference zoo, such as *-seed1"
    )
    pretrained: bool = Field(
        False, description="only models with pretrained weights; one entry per set of weights"
    )
    exclude: list[str] = Field([], description="patterns of names to leave out")
    limit: int | None = Field(
        None, ge=1, description="number of networks to take, in timm's order; required above 100"
    )
    name: str = Field(NAME, description="label of each network; {name} stands for its own name")
    seed: int | None = Field(None, ge=0, description="as for a single model")
    arguments: dict[str, Any] = Field({}, description="as for a single model")
    taps: str | list[str] | None = Field(None, description="as for a single model")

    def models(self) -> Iterator[dict[str, Any]]:
        """Expand the pattern; ``AnalysisError`` where it matches no network, or too many."""
        if (self.timm is None) == (self.zoo is None):
            raise AnalysisError("a pattern of networks needs exactly one of timm and zoo")
        if NAME not in self.name:
            raise AnalysisError(f"name {self.name!r} of several networks lacks {NAME}; add it")
        kind = "timm" if self.timm is not None else "zoo"
        given = self.model_fields_set & {"pretrained", "seed", "arguments", "taps"}
        changed = {key: getattr(self, key) for key in given}
        for one in self._names():
            called = self.name.replace(NAME, one.replace("/", "-").replace(":", "-"))
            yield {"name": called, kind: one, **changed}

    def _names(self) -> list[str]:
        if self.timm is not None:
            return matching_models(
                self.timm, pretrained=self.pretrained, exclude=self.exclude, limit=self.limit
            )
        pattern = str(self.zoo)
        found = [one for one in members() if fnmatchcase(one, pattern)]
        for out in self.exclude:
            if found and not any(fnmatchcase(one, out) for one in found):
                raise AnalysisError(f"exclude {out!r} leaves out none of {', '.join(found)}")
        chosen = [one for one in found if not any(fnmatchcase(one, out) for out in self.exclude)]
        if not chosen:
            raise AnalysisError(
                f"pattern {pattern!r} leaves no network of the zoo; "
                f"{suggest(pattern.strip('*'), members())}"
            )
        return chosen[: self.limit]


def expand_patterns(value: Any) -> Any:
    """Replace every pattern in a list of models by the networks that it matches."""
    if not isinstance(value, list):
        return value
    return [model for entry in value for model in _models(entry)]


def _models(entry: Any) -> list[Any]:
    if not isinstance(entry, dict) or not any(
        isinstance(entry.get(key), str) and is_pattern(entry[key]) for key in ("timm", "zoo")
    ):
        return [entry]
    try:
        return list(ModelPattern.model_validate(entry).models())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(ModelPattern.model_fields)
        raise ValueError(
            f"{entry.get('timm') or entry.get('zoo')!r}, {key}: {first['msg']}; a pattern takes "
            f"{known}"
        ) from error


class ExpandPatterns:
    """Annotation of a list of models that expands its patterns before validation."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Expand, then validate as models."""
        return core_schema.no_info_before_validator_function(expand_patterns, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema for forms and the Prefect server: the keys of a model and of a pattern.

        One schema has both, since the server locates no mistake in one of two alternatives.
        """
        made = handler(schema)
        one = handler.resolve_ref_schema(made["items"])
        pattern = handler.resolve_ref_schema(handler(ModelPattern.__pydantic_core_schema__))
        one["properties"] = {**pattern["properties"], **one["properties"]}
        one["required"] = [key for key in one.get("required", ()) if key != "name"]
        return made
