"""Settings, all of them from the environment; the table of variables stands in the README."""

import sys
from datetime import timedelta
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF

from config.logs import describe_logging
from config.variables import (
    BASE_DIR,
    env,
    read_choices,
    read_database,
    read_flag,
    read_networks,
    read_number,
    read_rates,
    read_reader,
    read_redis,
    read_signing_key,
    read_url,
)

# Lets Django's classes take type arguments (`ModelAdmin[Import]`) at run time too.
django_stubs_ext.monkeypatch()

# What runs
QUERY_SECONDS = 5  # after which a query of the explorer is cancelled, an export excepted
DEBUG = read_flag("DEBUG")
SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or ["localhost", "127.0.0.1", "[::1]"]
PUBLIC_URL = read_url("PUBLIC_URL")
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
    "config.api.origins.OriginMiddleware",
    "config.api.requests.LengthRequiredMiddleware",
    "config.api.limits.LimitMiddleware",
    "config.api.doors.DoorMiddleware",
    "config.tracing.LogMiddleware",
    "config.api.auditing.AuditMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.policy.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.health.HostMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

# By an address and without TLS.
ASKED_FROM_INSIDE = ("/healthz", "/readyz", "/metrics")

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
    "reader": read_reader("READER_DATABASE_URL", "DATABASE_URL", seconds=QUERY_SECONDS),
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
    SECURE_REDIRECT_EXEMPT = [f"^{path.removeprefix('/')}$" for path in ASKED_FROM_INSIDE]
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
