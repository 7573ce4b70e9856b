"""Plain values into pydantic models, and pydantic's errors into problems that name line, path and remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from generator.errors import InvalidFile, Problem
from generator.source import Keys, Source, shown

_BOOL = dict.fromkeys(("yes", "on", "y", "1"), "write true") | dict.fromkeys(("no", "off", "n", "0"), "write false")


class Strict(BaseModel):
    """A mapping of a file: no unknown keys, no guessed types, frozen; a key without a value counts as left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = fields(cls)
        return {key: value for key, value in data.items() if value is not None or key not in known}


@cache
def fields(model: type[Strict]) -> dict[str, FieldInfo]:
    """The fields of a model, by the keys of the file."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


M = TypeVar("M", bound=Strict)
Located = tuple[Keys, Problem]


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """What a field's validator raises."""
    return PydanticCustomError("field", "{message}", {"message": message, "hint": hint})


def nearest(word: object, words: Sequence[str]) -> str:
    """A hint for a mistyped `word`: the nearest of `words`, or all of them."""
    match = get_close_matches(str(word), words, n=1)
    return f"did you mean {match[0]}?" if match else f"one of: {', '.join(words)}"


def decode(source: Source, model: type[M]) -> M:
    """The whole file as `model`; InvalidFile with every problem."""
    decoded, problems = attempt(source, model)
    if decoded is None or problems:
        raise InvalidFile(source.file, [problem for _, problem in problems])
    return decoded


def attempt(source: Source, model: type[M]) -> tuple[M | None, list[Located]]:
    """The whole file as `model`, if it can be, and what is wrong in the file."""
    try:
        return model.model_validate(source.value), list(source.problems)
    except ValidationError as error:
        problems = list(source.problems)
        errors = [(_keys(source.value, e["loc"]), e) for e in error.errors(include_url=False)]
        reported, wrong_inside = {keys for keys, _ in problems}, {keys[:-1] for keys, _ in errors}
        for keys, e in errors:
            empty_by_error = e["type"] == "too_short" and keys in wrong_inside
            if not empty_by_error and keys not in reported:
                problems.append((keys, source.problem(keys, *_explain(e, model, keys))))
        return None, problems


def _keys(value: Any, loc: Keys) -> Keys:
    """pydantic's `loc` as keys of the file: without steps that only a validator took."""
    keys: list[str | int] = []
    for position, step in enumerate(loc):
        if step == "[key]" or (isinstance(step, int) and not isinstance(value, list)):
            continue
        last = position == len(loc) - 1
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        elif not last or isinstance(value, str):
            break
        keys.append(step)
    return tuple(keys)


def _explain(error: ErrorDetails, model: type[Strict], keys: Keys) -> tuple[str, str]:
    """Message and hint, in our words."""
    given, context = error["input"], error.get("ctx", {})
    is_not = f", not {shown(given)}"
    match error["type"]:
        case "field":
            return str(context["message"]), str(context["hint"])
        case "extra_forbidden":
            known = _model(model, keys[:-1])
            return "is not a known key", nearest(keys[-1], tuple(fields(known))) if known else ""
        case "missing":
            return "is missing", _example(model, keys)
        case "literal_error":
            return f"should be {str(context['expected']).replace(chr(39), '')}{is_not}", ""
        case "string_pattern_mismatch":
            return f"has the wrong form: {shown(given)}", _example(model, keys)
        case "too_short":
            return "should not be empty", _example(model, keys)
        case "int_type" | "int_from_float" | "int_parsing":
            quoted = isinstance(given, str) and given.isdigit()
            return f"should be a whole number{is_not}", f"write {given}, without quotes" if quoted else ""
        case "bool_type":
            return f"should be true or false{is_not}", _BOOL.get(str(given).lower(), "")
        case "string_type":
            scalar = isinstance(given, int | float)
            return f"should be text{is_not}", f'put it in quotes: "{shown(given)}"' if scalar else ""
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"should be a mapping of keys to values{is_not}", ""
        case "list_type" | "tuple_type":
            return f"should be a list{is_not}", "" if isinstance(given, dict) else f"write [{_bare(given)}]"
        case "greater_than_equal":
            return f"should be at least {context['ge']}{is_not}", ""
        case "less_than_equal":
            return f"should be at most {context['le']}{is_not}", ""
    return error["msg"][:1].lower() + error["msg"][1:], ""


def _bare(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) < 60 else shown(value)


def _model(model: type[Strict], keys: Keys) -> type[Strict] | None:
    """The model of the mapping at `keys`."""
    for key in keys:
        if isinstance(key, str):
            field = fields(model).get(key)
            inner = next(_models(field.annotation), None) if field else None
            if inner is None:
                return None
            model = inner
    return model


def _example(model: type[Strict], keys: Keys) -> str:
    """A hint that shows how the value at `keys` may look."""
    *around, key = [key for key in keys if isinstance(key, str)]
    inner = _model(model, tuple(around))
    field = fields(inner).get(key) if inner else None
    examples = field.examples if field else None
    return f"such as {key}: {_bare(examples[0])}" if examples else ""


def _models(annotation: Any) -> Iterator[type[Strict]]:
    """The models that an annotation such as `tuple[Pool, ...] | None` is about."""
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
