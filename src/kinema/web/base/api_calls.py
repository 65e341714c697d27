"""The calls of an OpenAPI description, as a page lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "post", "put", "patch", "delete", "head")


@dataclass(frozen=True)
class Call:
    """One call. `parameters`: pairs of a name and what may stand there; `body`, `answer`: the fields of the JSON."""

    method: str
    path: str
    summary: str
    text: str
    parameters: list[tuple[str, str]]
    body: list[tuple[str, str]]
    answer: list[tuple[str, str]]


def calls(description: dict[str, Any]) -> dict[str, list[Call]]:
    """Return the calls of a description, by their tags."""
    groups: dict[str, list[Call]] = {}
    for path, methods in description["paths"].items():
        for method, call in methods.items():
            if method not in _METHODS:
                continue
            found = Call(
                method.upper(),
                path,
                call.get("summary", ""),
                call.get("description", ""),
                [(entry["name"], _kind(entry.get("schema", {}))) for entry in call.get("parameters", [])],
                _fields(call.get("requestBody", {}).get("content", {}), description),
                _fields(_success(call).get("content", {}), description),
            )
            groups.setdefault((call.get("tags") or ["site"])[0], []).append(found)
    return groups


def _success(call: dict[str, Any]) -> dict[str, Any]:
    for status, answer in call.get("responses", {}).items():
        if str(status).startswith("2"):
            return dict(answer)
    return {}


def _fields(content: dict[str, Any], description: dict[str, Any]) -> list[tuple[str, str]]:
    for kind, entry in content.items():
        schema = _resolved(entry.get("schema", {}), description)
        if "properties" in schema:
            return [(name, _kind(value)) for name, value in schema["properties"].items()]
        return [(kind, _kind(schema))]
    return []


def _resolved(schema: dict[str, Any], description: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = description
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_kind(option) for option in schema[word]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "anything")
