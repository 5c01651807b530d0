"""Faults: pydantic's errors in our words, each with its place in the request.

A union that is told apart by a function of ours names its branches in angle brackets, `Tag("<profile>")`, as listed in
BRANCHES: no field has such a name, so that a branch in pydantic's location is told from a member of the body. What is
of no branch is an error of the type `FORM`, whose message says what must hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from design.errors import BespokeError
from service.problems import Fault, shown

MOST_FAULTS = 20
FORM = "form"
BRANCHES = frozenset({"<id>", "<profile>", "<own>", "<malformed>", "<design>", "<genotype>"})
"""Names of branches. Layers of designs may be called anything else."""
_NAMING = ("missing", "extra_forbidden")
"""Errors whose location ends with the name of a member, never with a branch."""
# What must hold, by pydantic's stable name of the error.
MUST: dict[str, str] = {
    "missing": "must be given",
    "extra_forbidden": "must not be given: the field is unknown",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "string_unicode": "must be text in valid Unicode",
}
TYPES: dict[str, str] = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "string": "text",
    "list": "an array",
    "tuple": "an array",
    "dict": "an object",
    "mapping": "an object",
    "model": "an object",
    "dataclass": "an object",
}


def library_error(error: dict[str, Any]) -> BespokeError | None:
    """The library's own error that one of pydantic's was made from."""
    cause = error.get("ctx", {}).get("error")
    return cause if isinstance(cause, BespokeError) else None


def fault_of(error: BespokeError, pointer: str) -> Fault:
    """The library's error about what stands at `pointer` of the body."""
    return Fault(pointer=pointer, must=error.must, got=error.got, way_out=error.way_out or None)


def genuine(errors: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that only follow from others: pydantic misses in an array the items that are wrong themselves."""
    return [one for one in errors if one["type"] != "too_short" or len(one["input"]) < one["ctx"]["min_length"]]


def faults_of(errors: Sequence[dict[str, Any]], body: Any, pointer: str = "") -> list[Fault]:
    """The first of pydantic's errors about a request.

    Args:
        errors: Each with its location, which begins with the part of the request: `body`, `query`, ...
        body: As it came.
        pointer: Where the body stands in that of the request, if it is but a part of it.
    """
    return [_fault(one, body, pointer) for one in errors[:MOST_FAULTS]]


def _fault(error: dict[str, Any], body: Any, pointer: str) -> Fault:
    place, *path = error["loc"]
    kind = str(error["type"])
    got = "nothing" if kind == "missing" else shown(error["input"])
    if place != "body":
        return Fault(parameter=str(path[0]) if path else str(place), must=_must(error), got=got)
    pointer += json_pointer(path, body, naming=kind in _NAMING)
    own = library_error(error)
    return Fault(pointer=pointer, must=_must(error), got=got) if own is None else fault_of(own, pointer + own.pointer)


def fault_of_value(error: dict[str, Any]) -> Fault:
    """One of pydantic's errors in our words, without its place."""
    own = library_error(error)
    if own is not None:
        return fault_of(own, "")
    return Fault(must=_must(error), got="nothing" if error["type"] == "missing" else shown(error["input"]))


def _must(error: dict[str, Any]) -> str:
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == FORM:
        return str(error["msg"])
    if kind in MUST:
        return MUST[kind].format_map(context)
    if kind == "value_error":
        return str(context.get("error", "must be valid"))
    return f"must be {TYPES.get(kind.split('_')[0], 'valid')}"


def json_pointer(path: Sequence[str | int], body: Any, *, naming: bool) -> str:
    """The JSON pointer of pydantic's location, without the names of union branches that pydantic puts in between.

    Args:
        path: Location in the body, as pydantic gives it.
        body: The body as it came.
        naming: The last part names a member, which may be missing.
    """
    here, parts = body, []
    for index, part in enumerate(path):
        named = naming and index == len(path) - 1
        if isinstance(part, int) and isinstance(here, list):
            parts.append(str(part))
            here = here[part] if part < len(here) else None
        elif isinstance(here, dict) and (named or (part in here and part not in BRANCHES)):
            parts.append(str(part))
            here = here.get(str(part))
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
