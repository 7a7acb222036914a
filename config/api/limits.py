"""How often somebody may ask: counted in Redis by all processes together, and by each of them for
itself where Redis does not answer."""

import math
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rest_framework.exceptions import APIException, Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.api.clients import find_network
from config.api.permissions import find_access

if TYPE_CHECKING:  # importing it would go round in a circle: views import their throttles
    from rest_framework.views import APIView

# After a failure none asks Redis for so long: where it hangs, one request waits, not each.
PAUSE_SECONDS = 5.0
# One address may try several names, but not very many.
NAMES_PER_ADDRESS = 6
# One round trip for the count and the end of its window, which begins with its first request.
COUNT = b"""
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    left = tonumber(ARGV[1])
end
return {count, left}
"""


class LimiterDown(Exception):
    """Redis does not answer, and what is asked needs a count that all processes share."""


class LoginClosed(APIException):
    status_code = 503
    default_detail = "Nobody can sign in for now: attempts cannot be counted. Try again soon."
    default_code = "login_closed"
    wait = math.ceil(PAUSE_SECONDS)  # becomes Retry-After


@dataclass(frozen=True)
class Standing:
    """How somebody stands with a limit, this request included."""

    limit: int
    count: int
    seconds: float  # until the window ends

    @property
    def is_exceeded(self) -> bool:
        return self.count > self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.count)

    @property
    def wait(self) -> int:
        """Whole seconds until the next window."""
        return max(1, math.ceil(self.seconds))


# Counting


class SharedStorage(RedisStorage):
    """Counts for all processes. Raises RedisError, after one short timeout where Redis hangs."""

    def __init__(self, url: str) -> None:
        # Without the retries that it comes with: who asks must not wait for them.
        retry: Any = Retry(NoBackoff(), 0)
        super().__init__(url, key_prefix="limits", retry=retry)
        self.script = self.get_connection().register_script(COUNT)

    def count(self, key: str, seconds: int) -> tuple[int, float]:
        count, milliseconds = self.script([self.prefixed_key(key)], [seconds * 1000])
        return int(count), int(milliseconds) / 1000


class Limiter:
    """Counts in the Redis of the setting that it is given."""

    def __init__(self, setting: str) -> None:
        self.setting = setting
        self.down_until = 0.0

    @cached_property
    def shared(self) -> SharedStorage:
        return SharedStorage(getattr(settings, self.setting))

    @cached_property
    def local(self) -> MemoryStorage:
        return MemoryStorage()

    def count(self, item: RateLimitItem, *names: str) -> Standing:
        """Counts a request of whoever bears these names."""
        try:
            return self.count_shared(item, *names)
        except LimiterDown:
            key = item.key_for(*names)
            count = self.local.incr(key, item.get_expiry())
            return Standing(item.amount, count, self.local.get_expiry(key) - time.time())

    def count_shared(self, item: RateLimitItem, *names: str) -> Standing:
        """The same in Redis or not at all. Raises LimiterDown."""
        if time.monotonic() < self.down_until:
            raise LimiterDown
        try:
            return Standing(
                item.amount, *self.shared.count(item.key_for(*names), item.get_expiry())
            )
        except RedisError as error:
            self.down_until = time.monotonic() + PAUSE_SECONDS
            raise LimiterDown from error


limiter = Limiter("LIMIT_REDIS_URL")
login_limiter = Limiter("LOGIN_REDIS_URL")


# Who asks


def identify(request: HttpRequest | Request) -> str:
    """Who is counted: who has signed in, a user or a key, else an address."""
    user_id = getattr(getattr(request, "user", None), "pk", None)
    return f"address:{find_network(request.META)}" if user_id is None else f"user:{user_id}"


# Requests


class AccessThrottle(BaseThrottle):
    """Counts a request to the API by the access that it needs."""

    standing: Standing | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        access = find_access(view, str(request.method)) or "read"
        item = settings.RATE_LIMITS.get(access)
        return item is None or self.heed(request, limiter.count(item, access, identify(request)))

    def heed(self, request: Request, standing: Standing) -> bool:
        self.standing = standing
        keep_standing(request._request, standing)
        return not standing.is_exceeded

    def wait(self) -> float | None:
        return None if self.standing is None else self.standing.wait


class LoginThrottle(AccessThrottle):
    """Counts an attempt to sign in before its password is looked at. Raises LoginClosed."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        name = request.data.get("username") if isinstance(request.data, Mapping) else None
        return self.heed(request, count_login(request, name))


def count_login(request: HttpRequest | Request, name: Any = None) -> Standing:
    """Counts an attempt by its address, and by address and name where there is one; tells how it
    stands with the stricter of both. Raises LoginClosed: without a count, guessing has no end."""
    item = settings.RATE_LIMITS["login"]
    address = find_network(request.META)
    of_address = type(item)(item.amount * NAMES_PER_ADDRESS, item.multiples)
    try:
        standing = login_limiter.count_shared(of_address, "login", address)
        if name is None or standing.is_exceeded:
            return standing
        # Hashed: a name may be of any length and hold anything.
        text = unicodedata.normalize("NFKC", str(name)).strip().casefold()
        digest = sha256(text.encode(errors="replace")).hexdigest()
        return login_limiter.count_shared(item, "login", address, digest)
    except LimiterDown as error:
        raise LoginClosed from error


def refuse_excess(request: HttpRequest, access: str) -> HttpResponse | None:
    """Counts a request to a door that no view looks at; a 429 where it is one too many."""
    item = settings.RATE_LIMITS.get(access)
    if item is None:
        return None
    standing = limiter.count(item, access, identify(request))
    keep_standing(request, standing)
    if not standing.is_exceeded:
        return None
    error = Throttled(standing.wait)
    fault = {"code": error.default_code, "detail": str(error.detail), "attr": None}
    return JsonResponse({"type": "client_error", "errors": [fault]}, status=error.status_code)


# Answers


def keep_standing(request: HttpRequest, standing: Standing) -> None:
    """For LimitMiddleware to tell."""
    request.standing = standing  # type: ignore[attr-defined]


class LimitMiddleware(MiddlewareMixin):
    """Tells whoever was counted how they stand: the header fields of the IETF's draft."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        standing: Standing | None = getattr(request, "standing", None)
        if standing is not None:
            headers = response.headers
            headers["RateLimit-Limit"] = str(standing.limit)
            headers["RateLimit-Remaining"] = str(standing.remaining)
            headers["RateLimit-Reset"] = str(standing.wait)
            if response.status_code == 429:
                headers.setdefault("Retry-After", str(standing.wait))
        return response
