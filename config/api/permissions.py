"""Who may use an endpoint: who has its permission, or anybody where ANONYMOUS_ACCESS says so."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # importing it would go round in a circle: views import their permissions
    from rest_framework.views import APIView

# What there is to grant: each is a permission `config.…`.
ACCESSES = {
    "read": "Can read everything over the API and the pages",
    "ingest": "Can send fixes and payloads",
    "import": "Can start imports, and end, resume and delete own ones",
    "replay": "Can let rejected payloads be processed anew",
    "manage_others": "Can end, resume and delete imports of others",
    "manage_keys": "Can make, see and revoke API keys",
}
# Whom anybody may send payloads to, anybody may have process them anew.
ANONYMOUS_WITH = {"replay": "ingest"}


def has_access(request: HttpRequest | Request, access: str) -> bool:
    """Whether this request may do `access`, one of ACCESSES.

    `request.user` is a user, nobody, or what a key stands for: all of them can be asked. Nobody
    may less for having signed in.
    """
    if ANONYMOUS_WITH.get(access, access) in settings.ANONYMOUS_ACCESS:
        return True
    return bool(request.user.has_perm(f"config.{access}"))


def find_person(request: HttpRequest | Request) -> Any:
    """The user that answers for this request: of a key who made it; None where nobody signed in."""
    user = request.user
    return getattr(user, "creator", user) if user.is_authenticated else None


def find_access(view: "APIView", method: str) -> str | None:
    """What a view names in its attribute `access`, or `read`; None for a method that it has not.

    Raises ImproperlyConfigured where one that can be written to names nothing: forgetting must not
    open a door.
    """
    access: str | None = getattr(view, "access", None)
    if access is not None or method in SAFE_METHODS:
        return access or "read"
    if hasattr(view, method.lower()):
        raise ImproperlyConfigured(f"{type(view).__name__} does not name its `access`")
    return None


class HasAccess(BasePermission):
    """Grants what the view's `access` names."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        access = find_access(view, str(request.method))
        self.message = f"This needs the permission “{access}”."
        # Without one there is nothing to grant: the answer is a 405.
        return access is None or has_access(request, access)
