"""JSON files of somebody else as records of ours, refused with a sentence where they are none."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.results import Record

Kind = TypeVar("Kind", bound=Record)


def parsed(kind: type[Kind], where: str, content: bytes, newest: int) -> Kind:
    """A record with a schema version.

    Args:
        kind: Result or Finding.
        where: how sentences call the file.
        content: the file's.
        newest: the last schema version that is known.

    Raises:
        UserError: it is no such record, or a foreign version's.
    """
    name = kind.__name__.lower()
    try:
        schema = json.loads(content)["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where} is no {name}; export the run again") from error
    if schema not in range(1, newest + 1):
        raise UserError(f"{where} is of schema version {schema} and this clipdefense reads 1 to {newest}")
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise UserError(f"{where} is not a {name} of this version: {first_fault(error)}") from error


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong, with its place."""
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"])
    return f"{place}: {found['msg'].lower()}" if place else str(found["msg"]).lower()
