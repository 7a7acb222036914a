"""People and machines, as they sign in."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client
from rest_framework.test import APIClient

from config.models import ApiKey, Scope


def make_user(name: str = "ada", *, group: str = "operator", **fields: Any) -> User:
    """In one of the groups, or in none."""
    user = User.objects.create_user(name, **fields)
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make_key(*scopes: str, by: User | None = None, **fields: Any) -> tuple[ApiKey, str]:
    """With all scopes where none is named."""
    maker = by or make_user("maker", group="admin")
    values = {"name": "a machine", "scopes": list(scopes) or Scope.values, "created_by": maker}
    return ApiKey.objects.create_key(**{**values, **fields})  # type: ignore[return-value]


def use_key(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    return client
