"""Refreshing a token: once only, and for people who may still sign in."""

from typing import Any

from django.db import transaction
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.serializers import TokenRefreshSerializer
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken


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
