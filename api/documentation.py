"""What /openapi.json says beyond FastAPI's own: one form of error, and who may call what."""

from typing import Any

from fastapi import FastAPI

from api.identity.signatures import KEY_HEADER
from api.outputs.problem import ProblemOutput
from api.policy import access_to

RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {"model": ProblemOutput, "description": "A refusal or failure"}
}
"""The error response of every route."""

PROBLEM_TYPE = "application/problem+json"
SECURITY_SCHEMES = {
    "session": {
        "type": "http",
        "scheme": "bearer",
        "description": "the token of POST /v1/sessions",
    },
    "machineKey": {
        "type": "apiKey",
        "in": "header",
        "name": KEY_HEADER,
        "description": "the id of a machine key, with a signature: see docs/signing.md",
    },
}


def document(app: FastAPI) -> None:
    """Have the application's schema completed from the policy table whenever it is made."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        if "securitySchemes" not in schema["components"]:
            _complete(schema)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: dict[str, Any]) -> None:
    schema["components"]["securitySchemes"] = SECURITY_SCHEMES
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            content = operation["responses"]["default"]["content"]
            content[PROBLEM_TYPE] = content.pop("application/json")
            access = access_to(method.upper(), path)
            if access is not None and access.roles is not None:
                operation["security"] = [{"session": []}, {"machineKey": []}]
                operation["x-roles"] = [str(role) for role in access.roles]
