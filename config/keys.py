"""Machines sign in with `Authorization: Api-Key …`."""

import logging
import re
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from config.models import USE_NOTED_EVERY, ApiKey

logger = logging.getLogger(__name__)

KEYWORD = "Api-Key"
FORM = re.compile(r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}", re.ASCII)


@dataclass(frozen=True)
class Machine:
    """What a key stands for: signed in, but no user. It has no session, no page and no admin."""

    key: ApiKey
    creator: User

    is_authenticated = is_active = True
    is_anonymous = is_staff = is_superuser = False

    @property
    def pk(self) -> str:
        """No user has it: what a key asks is counted apart from what its maker does."""
        return f"key-{self.key.pk}"

    id = pk

    def __str__(self) -> str:
        return self.key.name

    def get_username(self) -> str:
        return self.key.name

    def has_perm(self, permission: str, obj: Any = None) -> bool:
        """What its scopes name, as long as who made it may do so too."""
        scopes = {f"config.{scope}" for scope in self.key.scopes}
        return permission in scopes and self.creator.has_perm(permission)

    def has_module_perms(self, app_label: str) -> bool:
        return False


class KeyAuthentication(BaseAuthentication):
    """Raises 401 for a key that is unknown, revoked or expired, or whose maker is disabled."""

    def authenticate(self, request: Request) -> tuple[Machine, ApiKey] | None:
        keyword, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if keyword.lower() != KEYWORD.lower():
            return None
        key = find_key(text.strip())
        if key is None:
            raise AuthenticationFailed("This key is not known.", code="unknown_key")
        if key.fault or key.created_by is None:
            raise AuthenticationFailed(key.fault, code="key_not_valid")
        note_use(key)
        return Machine(key, key.created_by), key

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD


def find_key(text: str) -> ApiKey | None:
    if FORM.fullmatch(text) is None:
        return None
    prefix = text.partition(".")[0]
    key = ApiKey.objects.select_related("created_by").filter(prefix=prefix).first()
    return key if key is not None and key.is_valid(text) else None


def note_use(key: ApiKey) -> None:
    """No request fails for it."""
    if key.last_used_at is not None and timezone.now() - key.last_used_at < USE_NOTED_EVERY:
        return
    try:
        with transaction.atomic():
            ApiKey.objects.note_use(key.pk)
    except DatabaseError:
        logger.warning("the use of key %d was not noted", key.pk, exc_info=True)
