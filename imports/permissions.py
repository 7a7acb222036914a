"""Who may end, resume and delete an import: who started it, and who manages those of others."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from config.api.permissions import find_person, has_access
from imports.models import Import

if TYPE_CHECKING:  # importing it would go round in a circle: views import their permissions
    from rest_framework.views import APIView

NOT_YOURS = "Somebody else started it: this needs the permission “manage_others”."


def may_change(request: HttpRequest | Request, record: Import) -> bool:
    """What nobody started is everybody's who may import."""
    return has_access(request, "import") and (
        is_own(request, record) or has_access(request, "manage_others")
    )


def is_own(request: HttpRequest | Request, record: Import) -> bool:
    person = find_person(request)
    return record.created_by_id in {None, person and person.pk}


class IsOwn(BasePermission):
    """Beside HasAccess: lets imports of others be looked at alone."""

    message = NOT_YOURS

    def has_object_permission(self, request: Request, view: "APIView", obj: Import) -> bool:
        return request.method in SAFE_METHODS or may_change(request, obj)
