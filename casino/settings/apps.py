"""What is installed, in the order of the house."""

from casino.settings.environment import BASE_DIR

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "accounts.staff_config.StaffAdminConfig",  # django.contrib.admin behind a second factor
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.sites",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_celery_beat",
    "django_structlog",
    "channels",
    # Faro, lowest first
    "audit",
    "events",
    "notices",
    "accounts",
    "ledger",
    "compliance",
    "payments",
    "tables",
    "backoffice",
    "casino",
]

MIDDLEWARE = [
    "audit.shared_connections.GiveBackBeforeSending",
    "casino.metrics.RequestMetrics",
    "django.middleware.security.SecurityMiddleware",
    "casino.response_headers.ResponseHeaders",
    "casino.response_headers.ContentPolicy",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "casino.response_headers.Compression",
    "whitenoise.middleware.WhiteNoiseMiddleware",  # inside the headers, so that files carry them
    "compliance.kyc.document_host.DocumentHost",  # a host of its own, without cookies
    "accounts.doors.TwoDoors",  # before any cookie is read
    "django.contrib.sessions.middleware.SessionMiddleware",
    "accounts.doors.StaffSessions",
    "accounts.idle.SignOutWhenIdle",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.doors.AuthenticationAtOwnDoor",
    "django_otp.middleware.OTPMiddleware",
    "accounts.outsiders.OutsidersOnlyRead",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "accounts.middleware.AccountsMiddleware",
    "compliance.location.looking.PlaceAgain",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "casino.clean_requests.CleanRequests",
    "casino.card_guard.NoCardNumbers",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",  # last, as its documentation asks
]

ROOT_URLCONF = "casino.urls"
ASGI_APPLICATION = "casino.asgi.application"
SITE_ID = 1

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
                "django.template.context_processors.i18n",
                "csp.context_processors.nonce",
                "casino.page_context.standing",
                "casino.page_context.door",
            ],
        },
    }
]
