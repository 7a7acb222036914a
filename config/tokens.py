"""Tokens: to get one is a sign-in; one is refreshed once only, by people who may still sign in."""

from typing import Any

from django.db import transaction
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.serializers import (
    TokenObtainPairSerializer,
    TokenRefreshSerializer,
)
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from config.api.auditing import note


class NotedObtainSerializer(TokenObtainPairSerializer):
    """Leaves a sign-in in the audit trail."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        tokens = super().validate(attrs)
        user: Any = self.user
        self.context["request"].user = user
        note("sign in", user)
        return tokens


class OnceOnlyRefreshSerializer(TokenRefreshSerializer):
    """Two that come with the same token at once wait for each other: the second finds it used.

    Raises 401 where an access token of the same person would get one: the account is deleted or
    disabled, or its password is another.
    """

    @transaction.atomic
    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        try:
            token = self.token_class(attrs["refresh"])
            list(OutstandingToken.objects.select_for_update().filter(jti=token.payload["jti"]))
            JWTAuthentication().get_user(token)
            return super().validate(attrs)
        except TokenError as error:
            raise InvalidToken(str(error)) from error
