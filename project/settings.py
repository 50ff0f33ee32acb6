"""Every setting, grouped. Values come from the environment through `env`; docs/reference/settings.md lists them."""

from pathlib import Path

from csp.constants import NONCE, NONE, SELF

from project import env
from project.broker import PRODUCER_SECONDS, PUBLISH_RETRY, REACH_SECONDS, celery_url, transport_options
from project.databases import DatabaseLimits, database
from project.env import fall_back_on
from project.logs import logging_config
from project.schedule import MAINTENANCE, QUEUES, ROUTES, SCHEDULE
from project.secret_key import make_data_folder, read_or_make_secret_key
from project.stack.env_file import settings_of_running_stack

BASE_DIR = Path(__file__).resolve().parent.parent

# --- this installation ----------------------------------------------------------------------------

VERSION = "0.1.0"
DATA_DIR = env.path("DATA_DIR", BASE_DIR / "data")
make_data_folder(DATA_DIR)
# Before anything else is read: a stack that runs on this folder says what its environment does not (docs/deploy.md).
fall_back_on(settings_of_running_stack(DATA_DIR))
SITE_NAME = env.text("SITE_NAME", "Lectern")
DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY") or read_or_make_secret_key(DATA_DIR)
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")

# --- who may talk to us ---------------------------------------------------------------------------

PUBLIC_URL = env.url("PUBLIC_URL", schemes=["http", "https"])
"""Where people open the site, if that is not where a process listens."""
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.names("TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS", default=False)
"""The site is reached over https (usually through a proxy that ends TLS)."""
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = env.whole("SESSION_DAYS", 30, least=1) * 86_400
SESSION_ENGINE = "django.contrib.sessions.backends.db"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}

# --- the application ------------------------------------------------------------------------------

INSTALLED_APPS = [
    "project.administration.Administration",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "chat",
    "tools",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "chat.pages.patience.soon_or_not_at_all",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
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
                "chat.pages.context.site",
            ]
        },
    }
]

# --- storage --------------------------------------------------------------------------------------

DATABASE_URL = env.url(
    "DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}", schemes=["sqlite", "postgres", "postgresql"]
)
DATABASE_THREADS = env.whole("DATABASE_THREADS", 8, least=1, most=100)
"""Threads that bridge from the event loop to the database, each with a connection while it works."""
CALLBACK_THREADS = 4
"""Beside those, for the callbacks of webhook tools (project/callback_door.py)."""
DATABASE_WAIT_SECONDS = env.seconds("DATABASE_WAIT_SECONDS", 1.5, least=0.1)
"""Longer than a writer of ours ever holds a lock; who waits longer is told so, and asked to come back."""
_database = database(
    DATABASE_URL,
    DatabaseLimits(
        wait=DATABASE_WAIT_SECONDS,
        # Besides those threads: the heartbeat, which keeps its own, tasks, and the pages.
        pool=env.whole("DATABASE_POOL", 20, least=DATABASE_THREADS + CALLBACK_THREADS + 2),
        statement=env.seconds("DATABASE_STATEMENT_SECONDS", 30),
        idle_in_transaction=env.seconds("DATABASE_IDLE_SECONDS", 5),
    ),
)
_database["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")} if DATABASE_URL.startswith("sqlite") else {}
DATABASES = {"default": _database}
REDIS_URL = env.url("REDIS_URL", schemes=["redis", "rediss", "unix"])
"""Empty: each process keeps the state of its limits and breakers to itself."""

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "lectern",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},
    }
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 1000},
    }
}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
FILES_DIR = env.path("FILES_DIR", DATA_DIR / "files")
"""Web processes and workers share it, on whatever machines."""
ATTACHMENT_BYTES = env.whole("ATTACHMENT_BYTES", 20_000_000, least=1000, most=100_000_000)
"""The most of one file, which is in memory once while it is handed in."""
TOOL_FILES = env.whole("TOOL_FILES", 20)
TOOL_FILES_BYTES = env.whole("TOOL_FILES_BYTES", 50_000_000)
"""What one invocation may make."""
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "attachments": {"BACKEND": "chat.attachments.storage.WholeFiles", "OPTIONS": {"location": FILES_DIR}},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = DATA_DIR / "media"

# --- accounts -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "chat.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
SIGN_UP = env.flag("SIGN_UP", default=False)
"""Anybody may make an account."""

AXES_FAILURE_LIMIT = env.whole("LOGIN_FAILURES", 5, least=1)
AXES_COOLOFF_TIME = env.seconds("LOGIN_LOCK_SECONDS", 900) / 3600
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "chat.pages.accounts.locked"
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "chat.pages.addresses.address_of"
PROXY_COUNT = env.whole("PROXY_COUNT", 0, most=20)
"""Proxies of ours in front, each of which adds to X-Forwarded-For the address it was asked from."""

# --- language and time ----------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")

# --- the run engine -------------------------------------------------------------------------------

CURRENCY = env.text("CURRENCY", "USD")

CONNECT_SECONDS = env.seconds("CONNECT_SECONDS", 5, least=0.1)
FIRST_TOKEN_SECONDS = env.seconds("FIRST_TOKEN_SECONDS", 30, least=0.1)
FIRST_TOKEN_REASONING_SECONDS = env.seconds("FIRST_TOKEN_REASONING_SECONDS", 120, least=0.1)
IDLE_SECONDS = env.seconds("IDLE_SECONDS", 20, least=0.1)
TOTAL_SECONDS = env.seconds("TOTAL_SECONDS", 600, least=0.1)

COALESCE_MS = env.whole("COALESCE_MS", 30, most=1000)
"""Once the event loop lags, deltas are gathered for this long."""
COALESCE_CHARACTERS = env.whole("COALESCE_CHARACTERS", 100, least=1)
PARTIAL_SAVE_SECONDS = env.seconds("PARTIAL_SAVE_SECONDS", 0.8, least=0.05)
EVENT_LOG_SECONDS = env.seconds("EVENT_LOG_SECONDS", 600)
"""How long the memory log keeps a run after its end."""
EVENT_LOG_BYTES = env.whole("EVENT_LOG_BYTES", 4_000_000, least=10_000)
"""The most one run may hold in the memory log; what is older is answered by a snapshot."""

HEARTBEAT_SECONDS = env.seconds("HEARTBEAT_SECONDS", 1, least=0.1)
LEASE_SECONDS = env.seconds("LEASE_SECONDS", 5, least=0.5)
"""A node not heard of for this long has lost its runs."""
DRAIN_SECONDS = env.seconds("DRAIN_SECONDS", 15)

LOOP_STEPS = env.whole("LOOP_STEPS", 8, least=1)
LOOP_INVOCATIONS = env.whole("LOOP_INVOCATIONS", 16, least=1)
LOOP_SECONDS = env.seconds("LOOP_SECONDS", 600, least=1)
"""How far an answer may go by itself, with tools."""
TOOLS_AT_ONCE = env.whole("TOOLS_AT_ONCE", 5, least=1)
TOOLS_PER_USER = env.whole("TOOLS_PER_USER", 5, least=1)
APPROVAL_SECONDS = env.seconds("APPROVAL_SECONDS", 86_400, least=1)
CLIENT_TOOL_SECONDS = env.seconds("CLIENT_TOOL_SECONDS", 3600, least=1)

RETENTION_DAYS = env.whole("RETENTION_DAYS", 0, most=36_500)
"""Conversations in which nothing was said for so long are deleted; 0 keeps them."""

# --- the wire log ---------------------------------------------------------------------------------

WIRE_LOG = env.flag("WIRE_LOG", default=True)
"""Model calls that failed are kept as they went over the wire, and some of the others (docs/wire-log.md)."""
WIRE_LOG_SAMPLE = env.share("WIRE_LOG_SAMPLE", 0.01)
WIRE_LOG_DAYS = env.whole("WIRE_LOG_DAYS", 7)
WIRE_LOG_BYTES = env.whole("WIRE_LOG_BYTES", 2_000_000, least=10_000, most=100_000_000)
"""The most of one request, and of one answer."""
WIRE_LOG_TOTAL_BYTES = env.whole("WIRE_LOG_TOTAL_BYTES", 1_000_000_000, most=10**13)

# --- the audit log --------------------------------------------------------------------------------

AUDIT_KEY = env.text("AUDIT_KEY")
"""Seals the end of the audit log; empty: derived from the secret key (docs/audit.md)."""
AUDIT_KEY_FALLBACKS = env.names("AUDIT_KEY_FALLBACKS")
AUDIT_HEADS_FILE = env.path("AUDIT_HEADS_FILE", DATA_DIR / "audit-heads.jsonl")
"""Where the head of each day is written, one line each."""
AUDIT_HEADS_URL = env.url("AUDIT_HEADS_URL", schemes=["http", "https"])
AUDIT_HEADS_SECRET = env.text("AUDIT_HEADS_SECRET")
"""Signs what is sent there: `whsec_` and base64."""
AUDIT_SHOW_NAMES = env.flag("AUDIT_SHOW_NAMES", default=True)
"""People are told the names of those who have looked at their conversations."""
AUDIT_REASON_SECONDS = env.seconds("AUDIT_REASON_SECONDS", 900, least=1)
"""How long a reason that was given for something holds, for the session that gave it."""

# --- outgoing webhooks ----------------------------------------------------------------------------

WEBHOOK_SECONDS = env.seconds("WEBHOOK_SECONDS", 15, least=0.1)
"""For one attempt, from the look-up of the name to the last byte that is read."""
WEBHOOK_LEASE_SECONDS = env.seconds("WEBHOOK_LEASE_SECONDS", 60, least=0.2)
"""Whoever claimed a delivery and says nothing for so long is gone."""
WEBHOOK_AT_ONCE = env.whole("WEBHOOK_AT_ONCE", 4, least=1)
WEBHOOK_SENDERS = env.whole("WEBHOOK_SENDERS", 4, least=1)
"""Threads of one worker; the others are for its other queues."""
WEBHOOK_ENDPOINTS = env.whole("WEBHOOK_ENDPOINTS", 10)
WEBHOOK_FAILING_DAYS = env.whole("WEBHOOK_FAILING_DAYS", 5, most=3650)
WEBHOOK_TOOL_SECONDS = env.seconds("WEBHOOK_TOOL_SECONDS", 30, least=0.1)
"""For the answer to a call of a webhook tool; what takes longer calls back."""
WEBHOOK_DAYS = env.whole("WEBHOOK_DAYS", 30, least=1, most=3650)

# --- sockets --------------------------------------------------------------------------------------

SOCKETS_PER_USER = env.whole("CHAT_SOCKETS_PER_USER", 30, least=1)
COMMANDS_PER_MINUTE = env.whole("CHAT_COMMANDS_PER_MINUTE", 100, least=1)
FRAMES_PER_MINUTE = env.whole("CHAT_FRAMES_PER_MINUTE", 3000, least=1)
CREDIT_EVENTS = env.whole("CREDIT_EVENTS", 256, least=1)
CREDIT_BYTES = env.whole("CREDIT_BYTES", 256_000, least=1000)
ACK_SECONDS = env.seconds("ACK_SECONDS", 15, least=0.1)
SILENCE_SECONDS = env.seconds("SILENCE_SECONDS", 60, least=1)
"""A client that sends nothing, not even a ping, for this long is closed."""

CHANNEL_LAYERS = {
    "default": {
        # Pub/sub, not the core layer, which closed every socket after an outage of Redis.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_connect_timeout": 1, "health_check_interval": 15}],
            "prefix": "lectern",
        },
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}
}

# --- tools ----------------------------------------------------------------------------------------

TOOLS_ALLOWED_HOSTS = env.names("TOOLS_ALLOWED_HOSTS")
"""Hosts, addresses and networks besides the public internet that tools and webhooks may reach."""
TOOLS_CACHE_SECONDS = env.seconds("TOOLS_CACHE_SECONDS", 3600)
WEATHER_URL = env.url("WEATHER_URL", "https://api.open-meteo.com", schemes=["http", "https"])
GEOCODING_URL = env.url("GEOCODING_URL", "https://geocoding-api.open-meteo.com", schemes=["http", "https"])
STOCK_QUOTE_URL = env.url(
    "STOCK_QUOTE_URL",
    "https://finnhub.io/api/v1/quote?symbol={symbol}&token={key}",
    schemes=["http", "https"],
)
STOCK_QUOTE_KEY = env.text("STOCK_QUOTE_KEY")
STOCK_QUOTE_FIELDS = env.names(
    "STOCK_QUOTE_FIELDS",
    [
        "price=c",
        "change=d",
        "change_percent=dp",
        "high=h",
        "low=l",
        "open=o",
        "previous_close=pc",
        "time=t",
    ],
)

# --- Celery ---------------------------------------------------------------------------------------

BROKER_URL = env.url("BROKER_URL", REDIS_URL, schemes=["redis", "rediss", "unix", "memory"])
"""Empty: tasks stay in the process that sends them."""
TASK_SECONDS = env.seconds("TASK_SECONDS", 600, least=10)
"""A task that takes longer is killed, where it has a process of its own."""
CELERY_BROKER_URL = celery_url(BROKER_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = transport_options(CELERY_BROKER_URL, task_seconds=TASK_SECONDS)
CELERY_BROKER_CONNECTION_TIMEOUT = REACH_SECONDS
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = PRODUCER_SECONDS
CELERY_TASK_PUBLISH_RETRY_POLICY = PUBLISH_RETRY
CELERY_TASK_QUEUES = QUEUES
CELERY_TASK_ROUTES = ROUTES
CELERY_TASK_DEFAULT_QUEUE = MAINTENANCE
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = TASK_SECONDS
CELERY_TASK_SOFT_TIME_LIMIT = TASK_SECONDS * 0.9
"""Raises in the task, so that it can write down what became of it."""
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_LOST_WAIT = 1.0
"""A child that was killed cannot have sent its result; by default it is waited for ten seconds."""
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 30.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_DB_REUSE_MAX = 10**9
"""Celery leaves database connections alone; project/worker/database.py sees to them."""
CELERY_BEAT_SCHEDULE = SCHEDULE
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")

# --- measuring ------------------------------------------------------------------------------------

METRICS_TOKEN = env.text("METRICS_TOKEN")
"""Who sends it may read /metrics from anywhere. Empty: only this machine may, past no proxy."""
BANDS_FIRST_TOKEN_SECONDS = env.bounds("BANDS_FIRST_TOKEN_SECONDS", "0.5,1")
BANDS_TOKENS_PER_SECOND = env.bounds("BANDS_TOKENS_PER_SECOND", "50,20", more_is_better=True)
BANDS_SHORT_ANSWER_SECONDS = env.bounds("BANDS_SHORT_ANSWER_SECONDS", "10,30")
SHORT_ANSWER_TOKENS = env.whole("SHORT_ANSWER_TOKENS", 500, least=1)
BANDS_STOP_SECONDS = env.bounds("BANDS_STOP_SECONDS", "0.1,0.5")

# --- logs -----------------------------------------------------------------------------------------

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR"})
LOG_FORMAT = env.choice("LOG_FORMAT", "text", {"text", "json"})
ACCESS_LOG = env.flag("ACCESS_LOG", default=True)
"""A line for each request, but not for static files and what load balancers ask."""
LOGGING = logging_config(level=LOG_LEVEL, form=LOG_FORMAT)
