"""What the API tells of keys."""

from datetime import datetime
from typing import Any, cast

from django.utils import timezone
from rest_framework import serializers

from config.api.errors import show_name
from config.models import ApiKey, Scope, list_scopes

# What a browser's form sends besides.
FORM_FIELDS = frozenset({"csrfmiddlewaretoken"})


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "name",
            "prefix",
            "scopes",
            "created",
            "created_by",
            "expiry_date",
            "last_used_at",
            "revoked",
        )
        read_only_fields = ("prefix", "created", "last_used_at", "revoked")


class NewApiKeySerializer(ApiKeySerializer):
    """What a key is asked for with; the answer has the key itself, this once."""

    name = serializers.CharField(max_length=50)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(Scope.choices), allow_empty=False, max_length=len(Scope)
    )
    key = serializers.CharField(read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "key")

    def validate_scopes(self, scopes: list[str]) -> list[str]:
        own = list_scopes(self.context["request"].user)
        if more := sorted(set(scopes) - set(own)):
            raise serializers.ValidationError(f"you may not {', '.join(more)} yourself")
        return sorted(set(scopes))

    def validate_expiry_date(self, moment: datetime | None) -> datetime | None:
        if moment is not None and moment <= timezone.now():
            raise serializers.ValidationError("is past")
        return moment

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        """A misspelt date must not make a key that never expires."""
        if unknown := sorted(set(self.initial_data) - set(self.fields) - FORM_FIELDS):
            raise serializers.ValidationError(dict.fromkeys(map(show_name, unknown), "unknown"))
        return values

    def create(self, values: dict[str, Any]) -> ApiKey:
        record, key = ApiKey.objects.create_key(**values)
        vars(record)["key"] = key
        return cast(ApiKey, record)
