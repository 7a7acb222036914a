"""OpenAPI: the one shape of errors, told for every operation."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from config.api.parsers import OpaqueParser

DESCRIPTIONS = {
    "400": "A parameter or the body is at fault: `attr` names which.",
    "401": "The credentials are missing or not valid.",
    "403": "These credentials do not allow this.",
    "404": "There is no such thing.",
    "429": "A limit is exceeded.",
}
WRITING = {"POST", "PUT", "PATCH"}
UNREADABLE = {"415": "The body is of a type that is not taken here."}
WAIT = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer"}}}


class ErrorDetailSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True)


class ErrorSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    errors = ErrorDetailSerializer(many=True)  # type: ignore[assignment] # a field, no attribute


class ErrorAutoSchema(AutoSchema):
    """Adds the errors that any endpoint may answer with, and what its view has in `faults`."""

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)
        faults = DESCRIPTIONS | getattr(self.view, "faults", {})
        if self.method in WRITING and OpaqueParser not in self.view.parser_classes:
            faults |= UNREADABLE
        for status, description in faults.items():
            if status not in bodies:
                body = self._get_response_for_code(  # type: ignore[no-untyped-call]
                    ErrorSerializer, status, ["application/json"]
                )
                bodies[status] = body | {"description": description}
        bodies["429"].setdefault("headers", WAIT)
        return bodies
