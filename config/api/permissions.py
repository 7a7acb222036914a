"""Who may use an endpoint: whoever is signed in, or anybody where ANONYMOUS_ACCESS says so."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # importing it would go round in a circle: views import their permissions
    from rest_framework.views import APIView


def has_access(request: HttpRequest | Request, access: str) -> bool:
    """Whether this request may do `access` (`read`, `ingest` or `import`)."""
    return bool(request.user.is_authenticated) or access in settings.ANONYMOUS_ACCESS


class HasAccess(BasePermission):
    """Grants what the view names in its attribute `access` (`read` where it names nothing)."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return has_access(request, getattr(view, "access", "read"))
