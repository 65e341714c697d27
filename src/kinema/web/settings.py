"""Django's settings of a site, all from the environment that `kinema serve` prepares.

`KINEMA_SITE` the folder, `KINEMA_LOGIN` "1" where every page asks for a login, `KINEMA_HOSTS` the names it answers to (comma
separated), `KINEMA_TLS` "1" where browsers come by https, `KINEMA_PROXY` "1" behind a proxy that says so itself,
`KINEMA_RUN` the recognizer that pages choose first, `KINEMA_RUNS` the folders of runs, `KINEMA_DATA` those of labelled data
(both separated as PATH is), `DATABASE_URL` a database other than SQLite.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dj_database_url
from csp.constants import NONE, SELF

from kinema.web.folder import site


def _zone() -> str:
    """Return the name of this machine's time zone: pages show times as its clock does."""
    names = [
        os.environ.get("TZ", "").lstrip(":"),
        str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2],
    ]
    for name in names:
        try:
            if name:
                return ZoneInfo(name).key
        except (ValueError, OSError, KeyError):
            continue
    return "UTC"


SITE_FOLDER = site()
SITE_FOLDER.root.mkdir(parents=True, exist_ok=True)
SECRET_KEY = SITE_FOLDER.secret_key()
DEBUG = False
KINEMA_LOGIN = os.environ.get("KINEMA_LOGIN") == "1"
KINEMA_TLS = os.environ.get("KINEMA_TLS") == "1"
KINEMA_RUN = os.environ.get("KINEMA_RUN", "")
KINEMA_RUNS = [Path(part) for part in os.environ.get("KINEMA_RUNS", "").split(os.pathsep) if part]
# A page of another host that points its name at this machine is refused: only these names are answered.
ALLOWED_HOSTS = os.environ.get("KINEMA_HOSTS", "127.0.0.1,localhost,[::1]").split(",")

APPS = ("base", "jobs", "live", "videos", "review", "teach", "runs", "datasets")
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    *(f"kinema.web.{name}" for name in APPS),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "kinema.web.base.headers.HeadersMiddleware",
    "kinema.web.base.static_files.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "kinema.web.base.errors.InWordsMiddleware",
    "kinema.web.base.streams.LetGoMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "kinema.web.base.local_user.LocalUserMiddleware",
    "kinema.web.base.sign_in.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
ROOT_URLCONF = "kinema.web.urls"
ASGI_APPLICATION = "kinema.web.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "kinema.web.base.navigation.navigation",
            ],
        },
    }
]

_SQLITE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(SITE_FOLDER.database),
    # The server, the worker and its children write at the same time; a writer waits for its turn.
    "OPTIONS": {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
}
DATABASES = {
    "default": dj_database_url.parse(os.environ["DATABASE_URL"])
    if os.environ.get("DATABASE_URL")
    else _SQLITE
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_CLIENT_IP_CALLABLE = "kinema.web.base.sign_in.client_address"
KINEMA_FAILURES_OF_AN_ADDRESS = 30
"""Wrong passwords, of whatever users, after which an address waits as long."""
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_VERBOSE = False

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = _zone()
USE_TZ = True
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # no collectstatic for users
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 0  # see base.static_files: what has no version is asked for again
WHITENOISE_ALLOW_ALL_ORIGINS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "kinema.web.base.static_files.VersionedStatic"},
}

SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # scripts find the CSRF token in the page's head
SESSION_COOKIE_AGE = 7 * 86400
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = KINEMA_TLS
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "kinema_session", "kinema_csrf"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
CSRF_FAILURE_VIEW = "kinema.web.base.errors.csrf_failure"
if os.environ.get("KINEMA_PROXY") == "1":
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [SELF],
    }
}
# Uploads come in pieces (videos/), so no request is large.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 2**20
FILE_UPLOAD_TEMP_DIR = str(SITE_FOLDER.place("tmp"))  # so that a large file is moved and not copied
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "kinema": {"level": "INFO"},
        "axes": {"level": "ERROR"},
        # What strangers ask for is no news: it would fill the log at their will.
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "CRITICAL"},
    },
}
