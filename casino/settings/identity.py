"""Sign-up, sign-in, sessions, second factor, lock-out."""

from datetime import timedelta

from casino.settings.environment import FARO_MODE, env

_https = FARO_MODE == "production"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: a held sign-in never reaches the password
    "accounts.authentication.PasswordAtOwnDoor",
]
PASSWORD_HASHERS = ["accounts.passwords.Argon2Hasher"]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "accounts.passwords.MaximumLengthValidator"},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {
        "NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
]

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_AGE = 12 * 3600
#: Of people without a jurisdiction of their own, GLI-19 2.5.4; players' policies say theirs.
PLAYER_IDLE_S = 1_800
KNOWN_BROWSER_COOKIE_NAME = "__Host-browser" if _https else "faro_browser"
#: The version of the terms that a sign-up agrees to.
TERMS_VERSION: str = env.str("TERMS_VERSION", default="1")

# allauth
ACCOUNT_ADAPTER = "compliance.sign_in.SignInAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_FORMS = {
    "login": "accounts.forms.SignInForm",
    "signup": "accounts.forms.SignUpForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
    "reset_password": "accounts.forms.PasswordResetForm",
    "reset_password_from_key": "accounts.forms.NewPasswordForm",
    "change_password": "accounts.forms.PasswordChangeForm",
    "add_email": "accounts.forms.AddEmailForm",
    "confirm_email_verification_code": "accounts.forms.EmailCodeForm",
    "confirm_password_reset_code": "accounts.forms.ResetCodeForm",
}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_CHANGE_EMAIL = True  # one address per person
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_SESSION_REMEMBER = True  # lasts SESSION_COOKIE_AGE, also when the browser closes
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Faro: "
#: allauth's own limits live in the cache alone and fail with it: accounts.rate_limits has ours.
ACCOUNT_RATE_LIMITS = False

# django-axes counts failures; accounts.sign_in_hold says whose, and what a hold means
AXES_FAILURE_LIMIT = 3
AXES_COOLOFF_TIME = timedelta(hours=24)
AXES_LOCKOUT_PARAMETERS = ["username"]
AXES_USERNAME_CALLABLE = "accounts.sign_in_hold.tries_counted_by"
AXES_LOCKOUT_CALLABLE = "accounts.sign_in_hold.held_response"
AXES_CLIENT_IP_CALLABLE = "accounts.client_address.client_address_text"
AXES_RESET_ON_SUCCESS = True
#: True would let a stranger prolong the hold for ever, and grow a row with each try.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True  # audit has it, encrypted
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "login", "email", "csrfmiddlewaretoken"]
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

#: Proxies of ours in front that append to X-Forwarded-For; 0 ignores the header.
TRUSTED_PROXY_COUNT: int = env.int("TRUSTED_PROXY_COUNT", default=0)
#: Multiplies the limits per network, for a demo or a bench where everybody has one address.
RATE_LIMIT_NETWORK_FACTOR: int = (
    1 if _https else env.int("RATE_LIMIT_NETWORK_FACTOR", default=50 if FARO_MODE == "demo" else 1)
)

OTP_TOTP_ISSUER = "Faro"

#: W006 wants holds per address of the network; ours are per account and per known browser, and
#: accounts.rate_limits counts networks.
SILENCED_SYSTEM_CHECKS = ["axes.W006"]
