"""What the OpenAPI description says beyond the operations themselves."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.measurements.schemas import MeasurementsRequest
from service.problems import TITLES, Problem, responses

DESCRIPTION = """\
Made-to-measure neural networks for every edge device: a device profile and limits in, a hybrid-precision design out,
with what it is predicted to cost on that device and how sure that is. Predictions are never measurements.

Times are UTC (ISO 8601). Identifiers are opaque and sort by time. Lists come in pages: follow `next` until it is null.
Every POST takes an `Idempotency-Key` header: repeated with the same body it gives the stored answer.

Wherever other machines can call, every request needs an API key (`Authorization: Bearer bespoke_...`) with the scope
`read`, `design`, `train` or `admin`.

What is wrong with a request is said in `application/problem+json` (RFC 9457). `type` is
`urn:bespoke:problem:` followed by one of:

""" + "\n".join(f"* `{slug}`: {title}." for slug, title in TITLES.items())


def describe_problems(app: FastAPI) -> None:
    """Make the application's description name Problem, in place of the validation errors that FastAPI assumes.

    Bodies that operations read themselves are added, too.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            for model in (MeasurementsRequest, Problem):
                own = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas |= own.pop("$defs", {}) | {model.__name__: own}
            for operation in (one for path in found["paths"].values() for one in path.values()):
                if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                    operation["responses"] |= {str(status): told for status, told in responses(422).items()}
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
