"""The policy for the content of pages, and who needs a laxer one."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

# django-rq's pages have styles in themselves. Their scripts stay forbidden: those that stand in a
# page call what Django's admin has not had since 3.2.
STYLED = ("/rq/", "/admin/django_rq/")
# What no page here asks a browser for.
NO_FEATURES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class PolicyMiddleware(CSPMiddleware):
    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(STYLED):
            parts.update = {"style-src": [SELF, UNSAFE_INLINE]}
        return parts

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", NO_FEATURES)
        # Proxies that keep files by their endings would hand an export to anybody.
        response.headers.setdefault("Cache-Control", "private")
        return super().process_response(request, response)
