"""Many networks of a study by one pattern, resolved to models when the study is read."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.timm_patterns import is_pattern, named
from seelike.flows.study.settings import Part
from seelike.storage.errors import suggest
from seelike.storage.networks.zoo import members

NAME = "{name}"


class Several(Part):
    """Networks by a pattern, each under its own name: an entry of `models` with `*`, `?` or `[`."""

    timm: str | None = Field(None, description="a pattern over timm's names, such as vit_*_224*")
    zoo: str | None = Field(None, description="a pattern over the reference zoo, such as *-seed1")
    pretrained: bool = Field(False, description="those with weights, each with every one of its")
    exclude: list[str] = Field([], description="patterns of what is left out")
    limit: int | None = Field(
        None, ge=1, description="take the first so many, in timm's order; needed above 100"
    )
    name: str = Field(NAME, description="what each is called; {name} stands for its own")
    seed: int | None = Field(None, ge=0, description="as of one model")
    arguments: dict[str, Any] = Field({}, description="as of one model")
    taps: str | list[str] | None = Field(None, description="as of one model")

    def models(self) -> Iterator[dict[str, Any]]:
        """The models it means; ``AnalysisError`` where it means none, or too many."""
        if (self.timm is None) == (self.zoo is None):
            raise AnalysisError("a pattern of networks needs exactly one of timm and zoo")
        if NAME not in self.name:
            raise AnalysisError(f"name {self.name!r} of several networks lacks {NAME}")
        kind = "timm" if self.timm is not None else "zoo"
        given = self.model_fields_set & {"pretrained", "seed", "arguments", "taps"}
        changed = {key: getattr(self, key) for key in given}
        for one in self._names():
            called = self.name.replace(NAME, one.replace("/", "-").replace(":", "-"))
            yield {"name": called, kind: one, **changed}

    def _names(self) -> list[str]:
        if self.timm is not None:
            return named(
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


def expanded(value: Any) -> Any:
    """A list of models with each pattern in it replaced by what it means."""
    if not isinstance(value, list):
        return value
    return [model for entry in value for model in _models(entry)]


def _models(entry: Any) -> list[Any]:
    if not isinstance(entry, dict) or not any(
        isinstance(entry.get(key), str) and is_pattern(entry[key]) for key in ("timm", "zoo")
    ):
        return [entry]
    try:
        return list(Several.model_validate(entry).models())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(Several.model_fields)
        raise ValueError(
            f"{entry.get('timm') or entry.get('zoo')!r}, {key}: {first['msg']}; a pattern takes "
            f"{known}"
        ) from error


class Expanded:
    """Beside the type of a list of models: patterns in it are resolved as it is read."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Resolve, then validate as models."""
        return core_schema.no_info_before_validator_function(expanded, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What a form, and Prefect's server, take: a model, with what a pattern has beside it.

        One schema of both: of two alternatives the server would not say what is wrong where.
        """
        made = handler(schema)
        one = handler.resolve_ref_schema(made["items"])
        pattern = handler.resolve_ref_schema(handler(Several.__pydantic_core_schema__))
        one["properties"] = {**pattern["properties"], **one["properties"]}
        one["required"] = [key for key in one.get("required", ()) if key != "name"]
        return made
