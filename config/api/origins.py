"""Scripts of other origins, and what browsers let them do here."""

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpRequest


class OriginMiddleware(CorsMiddleware):
    """corsheaders' own, where any other origin is let in. Where none is, as long as nobody says so,
    its headers would say nothing, and take a tenth of the time of each fix (measured)."""

    def is_enabled(self, request: HttpRequest) -> bool:
        return bool(settings.CORS_ALLOWED_ORIGINS) and super().is_enabled(request)
