"""Uploads: a body of measurements, as JSON or as a CSV table, to rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from service.measurements.csv_rows import Table, read_table
from service.measurements.schemas import EXAMPLE_REQUEST, EXAMPLE_TABLE, MeasurementInput, MeasurementsRequest
from service.problems import Refusal

CSV = "text/csv"


@dataclass(frozen=True, kw_only=True)
class Upload:
    """Rows as they came.

    Attributes:
        rows: At least one.
        table: The table they stood in; None for JSON.
    """

    rows: tuple[MeasurementInput, ...]
    table: Table | None = None

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Whatever is refused inside by JSON pointer into the rows is said in the terms of the body."""
        if self.table is None:
            yield
            return
        with self.table.placed():
            yield

    def request(self) -> MeasurementsRequest:
        """The same rows as JSON would have brought them."""
        return MeasurementsRequest.model_construct(measurements=self.rows)


@dataclass(frozen=True, kw_only=True)
class Body:
    """The body of a request, not yet read."""

    media_type: str
    content: bytes

    def upload(self) -> Upload:
        """The rows in it.

        Raises:
            Refusal: It is not JSON, or its table does not hold.
            RequestValidationError: Its JSON does not hold.
        """
        if self.media_type == CSV:
            table = read_table(self.content)
            return Upload(rows=table.rows, table=table)
        return Upload(rows=_read_json(self.content).measurements)


def _read_json(content: bytes) -> MeasurementsRequest:
    if not content:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "", "input": None}])
    try:
        stated = json.loads(content)
    except (ValueError, RecursionError):
        detail = "The body must be JSON (RFC 8259) in UTF-8, not too deeply nested."
        raise Refusal("invalid-json", 400, detail) from None
    try:
        return MeasurementsRequest.model_validate(stated)
    except ValidationError as error:
        faults: list[Any] = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(faults, body=stated) from None


async def body_of(request: Request) -> Body:
    """The body, whose size and type were checked before."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Body(media_type=media_type, content=await request.body())


BodyDep = Annotated[Body, Depends(body_of)]

DESCRIPTION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/MeasurementsRequest"},
                "example": EXAMPLE_REQUEST,
            },
            CSV: {
                "schema": {"type": "string", "description": "UTF-8 with a header; see docs/measurements.md"},
                "example": EXAMPLE_TABLE,
            },
        },
    }
}
"""For the OpenAPI description."""
