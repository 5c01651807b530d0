"""Names: rows found by part of one, in any case."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import InstrumentedAttribute

_ESCAPE = "/"


def mentions(column: InstrumentedAttribute[str], text: str) -> ColumnElement[bool]:
    """Whether a column has the text in it, in any case.

    The database folds both sides, so that a name finds itself whatever the database takes for lower case.
    """
    plain = text
    for special in (_ESCAPE, "%", "_"):
        plain = plain.replace(special, _ESCAPE + special)
    return func.lower(column).like(func.lower(f"%{plain}%"), escape=_ESCAPE)
