"""Settings, all of them from the environment; the table of variables stands in the README."""

import hmac
import sys
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from limits import RateLimitItem, RateLimitItemPerMinute

from config.api.rates import parse_rates
from config.logs import describe_logging

# Lets Django's classes take type arguments (`ModelAdmin[Import]`) at run time too.
django_stubs_ext.monkeypatch()

CONNECTION_SECONDS = 60  # for which a thread keeps its connection to the database
QUERY_SECONDS = 5  # after which a query of the explorer is cancelled, an export excepted
BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
# The real environment wins over `.env`, and `.env` over what bin/up wrote down for manage.py.
for file in (BASE_DIR / ".env", BASE_DIR / ".local" / "env"):
    if file.is_file():
        env.read_env(file, parse_comments=True)


def read_flag(name: str) -> bool:
    """Variable `name` as yes or no (no where unset); raises ImproperlyConfigured on any other."""
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    text = env.str(name, default="0").lower()
    if text not in words:
        raise ImproperlyConfigured(f"{name}: {text} is neither 1 nor 0")
    return words[text]


def read_choices(name: str, allowed: set[str]) -> frozenset[str]:
    """The comma-separated words of variable `name`; raises ImproperlyConfigured on any other."""
    words = frozenset(word.strip() for word in env.list(name, default=[]) if word.strip())
    if unknown := words - allowed:
        msg = f"{name}: {', '.join(sorted(unknown))} is not one of {', '.join(sorted(allowed))}"
        raise ImproperlyConfigured(msg)
    return words


def read_networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The comma-separated networks of variable `name`; raises ImproperlyConfigured on any other."""
    words = [word.strip() for word in env.list(name, default=[]) if word.strip()]
    try:
        return tuple(ip_network(word) for word in words)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def read_number(name: str, default: int, *, smallest: int = 1, largest: int) -> int:
    """Variable `name` as a whole number within bounds; raises ImproperlyConfigured on any other."""
    text = env.str(name, default="") or str(default)
    if not (text.isascii() and text.isdecimal() and smallest <= int(text) <= largest):
        bounds = f"{smallest} to {largest}"
        raise ImproperlyConfigured(f"{name}: {text} is not a whole number from {bounds}")
    return int(text)


def read_rates(name: str) -> dict[str, RateLimitItem]:
    """The limits of variable `name`; raises ImproperlyConfigured on what is none. The login always
    has one: without it a password can be guessed."""
    try:
        rates = parse_rates(env.str(name, default=""), {"read", "ingest", "import", "login"})
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error
    return {"login": RateLimitItemPerMinute(10)} | rates


def read_url(name: str) -> str:
    """Variable `name`, empty where unset; raises ImproperlyConfigured on what is no URL."""
    text: str = env.str(name, default="")
    if text and not text.startswith(("https://", "http://")):
        raise ImproperlyConfigured(f"{name}: {text} does not begin with https:// or http://")
    return text


def read_database(name: str) -> dict[str, Any]:
    """Variable `name` as a Django database; `?host=/folder` names a Unix socket."""
    database: dict[str, Any] = dict(env.db_url(name))
    options = database.setdefault("OPTIONS", {})
    return database | {
        "ENGINE": "config.postgis",
        "HOST": options.pop("host", database["HOST"]),
        # A new connection costs as much as a page: PostGIS is loaded anew for each.
        "CONN_MAX_AGE": CONNECTION_SECONDS,
        "CONN_HEALTH_CHECKS": True,
    }


def read_reader(name: str, owner: str) -> dict[str, Any]:
    """Variable `name`, or where it is unset variable `owner`, as a database for reading alone."""
    database = read_database(name if env.str(name, default="") else owner)
    options = database["OPTIONS"]
    limits = f"-c statement_timeout={QUERY_SECONDS * 1000} -c default_transaction_read_only=on"
    # To compile a query of seconds takes longer than what it gains, and so does it to start
    # processes for one of milliseconds.
    speed = "-c jit=off -c min_parallel_table_scan_size=64MB -c min_parallel_index_scan_size=64MB"
    # The role may set the path of its later sessions to what it likes.
    path = "-c search_path=public"
    options["options"] = f"{options.get('options', '')} {limits} {speed} {path}".strip()
    return database | {"TEST": {"MIRROR": "default"}}


def read_redis(name: str, seconds: float = 0.25) -> str:
    """Variable `name` with socket timeouts: a hanging Redis must never hold up a request."""
    url = env.str(name)
    glue = "&" if "?" in url else "?"
    return f"{url}{glue}socket_timeout={seconds}&socket_connect_timeout={seconds}"


def read_signing_key(name: str) -> str:
    """Variable `name`; where it is unset it is derived from SECRET_KEY, which it does not tell.

    Raises ImproperlyConfigured where it is shorter than what HS256 needs (RFC 7518, 3.2).
    """
    key: str = env.str(name, default="")
    if not key:
        return hmac.digest(env.str("SECRET_KEY").encode(), name.encode(), "sha256").hex()
    if len(key.encode()) < 32:
        raise ImproperlyConfigured(f"{name}: shorter than 32 bytes")
    return key


# What runs
DEBUG = read_flag("DEBUG")
SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
PUBLIC_URL = env.str("PUBLIC_URL", default="")
LOG_FORMAT = env.str("LOG_FORMAT", default="") or ("console" if DEBUG else "json")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
MAP_STYLE_URL = read_url("MAP_STYLE_URL")
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
ANONYMOUS_ACCESS = read_choices("ANONYMOUS_ACCESS", {"read", "ingest", "import"})
RATE_LIMITS = read_rates("RATE_LIMITS")
NUM_PROXIES = read_number("NUM_PROXIES", 0, smallest=0, largest=100)
FOOTPRINTS_SOURCE = env.str("FOOTPRINTS_SOURCE", default="")
IMPORT_ALLOWED_NETWORKS = read_networks("IMPORT_ALLOWED_NETWORKS")
IMPORT_LOADERS = read_number("IMPORT_LOADERS", 2, largest=64)
IMPORTS_PER_USER = read_number("IMPORTS_PER_USER", 0, smallest=0, largest=10**6)
IMPORT_MAX_BYTES = read_number("IMPORT_MAX_BYTES", 2**40, largest=2**60)
DROPZONE_MAX_BYTES = read_number("DROPZONE_MAX_BYTES", 10 * 2**20, largest=2**30)
DROPZONE_BUCKET = env.str("DROPZONE_BUCKET", default="")
DROPZONE_BUCKET_URL = read_url("DROPZONE_BUCKET_URL")
DROPZONE_BUCKET_REGION = env.str("DROPZONE_BUCKET_REGION", default="")

INSTALLED_APPS = [
    "rest_framework_api_key",
    "config.apps.ConfigConfig",
    "imports",
    "footprints",
    "locations",
    "dropzone",
    "explorer",
    "auditlog",
    "rest_framework",
    "rest_framework_gis",
    "rest_framework_simplejwt.token_blacklist",
    "corsheaders",
    "csp",
    "django_filters",
    "django_htmx",
    "django_rq",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "config.apps.AssetsConfig",
    "django.contrib.gis",
    "django.contrib.humanize",
    "django.contrib.postgres",
]

MIDDLEWARE = [
    "config.counting.CountMiddleware",
    "config.tracing.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "config.api.requests.LengthRequiredMiddleware",
    "config.api.limits.LimitMiddleware",
    "config.api.doors.DoorMiddleware",
    "config.tracing.LogMiddleware",
    "config.api.auditing.AuditMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.policy.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

DOORS = {
    ("PUT", "/location"): "locations.views.take_fix",
    ("POST", "/dropzone"): "dropzone.views.take_payload",
}

# Pages of other sites may read what needs no login, or a token; never with somebody's cookies.
CORS_URLS_REGEX = r"^/(api|location|dropzone)(/|$)"
CORS_EXPOSE_HEADERS = [
    *("ETag", "X-Request-Id", "X-Row-Count", "X-Sha256"),
    *("Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
]

# No script and no style stands in a page; maps draw with a worker.
MAP_SITE = "/".join(MAP_STYLE_URL.split("/")[:3])
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF, *filter(None, [MAP_SITE])],
        "img-src": [SELF, "data:", "blob:", *filter(None, [MAP_SITE])],
        "worker-src": [SELF, "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.list_pages",
            ],
        },
    },
]

# Where it is kept
DATABASES = {
    "default": read_database("DATABASE_URL"),
    "reader": read_reader("READER_DATABASE_URL", "DATABASE_URL"),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

RQ_QUEUES = {
    "imports": {
        "URL": read_redis("REDIS_URL"),
        "DEFAULT_TIMEOUT": -1,  # an import may take days; its lease says whether it is alive
        "SERIALIZER": "rq.serializers.JSONSerializer",
    },
    "payloads": {
        "URL": read_redis("REDIS_URL"),
        "DEFAULT_TIMEOUT": -1,
        "SERIALIZER": "rq.serializers.JSONSerializer",
    },
}
# A kick must not hold up whoever sends a payload.
KICK_REDIS_URL = read_redis("REDIS_URL", seconds=0.05)
# Who signs in can wait; a busy machine must not close the login.
LIMIT_REDIS_URL = read_redis("REDIS_URL")
LOGIN_REDIS_URL = read_redis("REDIS_URL", seconds=1)

# Who may do what
PASSWORD_VALIDATION = "django.contrib.auth.password_validation"  # noqa: S105 (a module's name)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{PASSWORD_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{PASSWORD_VALIDATION}.MinimumLengthValidator"},
    {"NAME": f"{PASSWORD_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{PASSWORD_VALIDATION}.NumericPasswordValidator"},
]
CSRF_FAILURE_VIEW = "config.faults.show_stale_form"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "overview"

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
    # A new password ends all tokens of the old one.
    "CHECK_REVOKE_TOKEN": True,
    "TOKEN_OBTAIN_SERIALIZER": "config.tokens.NotedObtainSerializer",
    "TOKEN_REFRESH_SERIALIZER": "config.tokens.OnceOnlyRefreshSerializer",
    # Who learns the one key must not have the other.
    "SIGNING_KEY": read_signing_key("JWT_SIGNING_KEY"),
    "ALGORITHM": "HS256",
    "ISSUER": "catchment",
    "AUDIENCE": "catchment",
}

if PUBLIC_URL.startswith("https://"):
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [
        r"^healthz$",
        r"^readyz$",
        r"^metrics$",
    ]  # asked from inside, without TLS
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    CSRF_TRUSTED_ORIGINS = [PUBLIC_URL.rstrip("/")]

# Debian 12 has GDAL 3.6. The check is about spatial references from outside; ours are EPSG codes
# written in the code, and no text of a request or a file ever reaches GDAL.
SILENCED_SYSTEM_CHECKS = ["gis.W001"]

# What a request may hold, a file that is uploaded excepted.
DATA_UPLOAD_MAX_MEMORY_SIZE = max(10 * 2**20, DROPZONE_MAX_BYTES)

# The API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "config.keys.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.permissions.HasAccess"],
    "DEFAULT_THROTTLE_CLASSES": ["config.api.limits.AccessThrottle"],
    "DEFAULT_PARSER_CLASSES": [
        "config.api.parsers.BoundedJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_FILTER_BACKENDS": ["config.api.filtersets.StrictFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "config.api.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.ErrorAutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "COERCE_DECIMAL_TO_STRING": False,
}

DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "config.api.errors.RequestExceptionHandler",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Catchment",
    "DESCRIPTION": "Intake for messy geodata: raw first, nothing lost, every refusal explained.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["config.api.permissions.HasAccess"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "FeatureEnum": ("Feature",),
        "FeatureCollectionEnum": ("FeatureCollection",),
    },
}

# How it looks
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "assets",
    ("maplibre-gl", BASE_DIR / "node_modules" / "maplibre-gl" / "dist"),
    ("world-atlas", BASE_DIR / "node_modules" / "world-atlas"),
    ("uplot", BASE_DIR / "node_modules" / "uplot" / "dist"),
    ("topojson-client", BASE_DIR / "node_modules" / "topojson-client" / "dist"),
]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Plain names: ES modules import each other by relative path, which hashed names would break.
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
if DROPZONE_BUCKET:
    STORAGES["raw"] = {
        "BACKEND": "dropzone.bucket.Bucket",
        "OPTIONS": {
            "bucket_name": DROPZONE_BUCKET,
            "endpoint_url": DROPZONE_BUCKET_URL or None,
            "region_name": DROPZONE_BUCKET_REGION or None,
        },
    }

LOGGING = describe_logging(LOG_FORMAT, sys.argv)
