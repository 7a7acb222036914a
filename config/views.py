"""The keys of machines over the API."""

from typing import Any

from django.db import transaction
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import CreateModelMixin, DestroyModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.viewsets import ReadOnlyModelViewSet

from config.api.auditing import note
from config.filtersets import ApiKeyFilterSet
from config.keys import KEYWORD
from config.models import ApiKey
from config.serializers import ApiKeySerializer, NewApiKeySerializer


class ApiKeyViewSet(CreateModelMixin, DestroyModelMixin, ReadOnlyModelViewSet[ApiKey]):
    """Keys that machines sign in with: their scopes, who made them, when they were last used."""

    access = "manage_keys"
    queryset = ApiKey.objects.select_related("created_by")
    filterset_class = ApiKeyFilterSet
    ordering = "-id"
    lookup_value_regex = "[0-9]{1,18}"
    ordering_fields = ("id", "name", "created", "expiry_date", "last_used_at")

    def get_serializer_class(self) -> Any:
        return NewApiKeySerializer if self.action == "create" else ApiKeySerializer

    @extend_schema(responses={status.HTTP_201_CREATED: NewApiKeySerializer})
    def create(self, request: Request) -> Response:
        """Makes a key. The answer holds it: nobody can see it a second time."""
        new = self.get_serializer(data=request.data)
        new.is_valid(raise_exception=True)
        record = new.save(created_by=request.user)
        location = reverse("key-detail", [record.pk], request=request)
        headers = {"Location": location, "Cache-Control": "no-store"}
        return Response(new.data, status=status.HTTP_201_CREATED, headers=headers)

    def perform_destroy(self, record: ApiKey) -> None:
        """Revokes it: it opens nothing any more, and its record is kept."""
        with transaction.atomic():
            if record.revoke():
                note("revoke", record)


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the description of the API tells of keys."""

    target_class = "config.keys.KeyAuthentication"
    name = "keyAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        description = f"`{KEYWORD} …`, with the key as it was shown when it was made"
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": description,
        }
