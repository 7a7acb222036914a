"""Who may use an endpoint: whoever is signed in, or anybody where ANONYMOUS_ACCESS says so."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # importing it would go round in a circle: views import their permissions
    from rest_framework.views import APIView


def has_access(request: HttpRequest | Request, access: str) -> bool:
    """Whether this request may do `access` (`read`, `ingest` or `import`)."""
    return bool(request.user.is_authenticated) or access in settings.ANONYMOUS_ACCESS


class HasAccess(BasePermission):
    """Grants what the view names in its attribute `access`.

    A view that names nothing may be read. Where it can be written to all the same, that is a fault
    of ours and raises ImproperlyConfigured: forgetting must not open a door.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        access = getattr(view, "access", None)
        if access is None and request.method not in SAFE_METHODS:
            if hasattr(view, str(request.method).lower()):
                raise ImproperlyConfigured(f"{type(view).__name__} does not name its `access`")
            return True  # there is nothing to grant: the answer is a 405
        return has_access(request, access or "read")
