"""Cookies, headers, transport. Strict by default; only the demo on loopback speaks plain HTTP."""

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from casino.settings.environment import FARO_MODE, env

_https = FARO_MODE == "production"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _https
SESSION_COOKIE_NAME = "__Host-session" if _https else "faro_session"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = _https
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrf" if _https else "faro_csrf"
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CSRF_FAILURE_VIEW = "casino.error_pages.expired_form"
LANGUAGE_COOKIE_SECURE = _https
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"

SECURE_SSL_REDIRECT = _https
#: Probes and scrapers ask on the inside, before TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https
SECURE_HSTS_PRELOAD = _https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

#: Origins of video playlists, segments and posters, where they are not this host.
STREAM_ORIGINS: list[str] = env.list("STREAM_ORIGINS", default=[])
#: Origins of hosted payment pages. Chromium holds `form-action` against redirects after a form,
#: so the cashier's form may end there only if the policy names them.
#: Stripe's own page is among them by itself where Stripe is connected.
PAYMENT_PAGE_ORIGINS: list[str] = env.list(
    "PAYMENT_PAGE_ORIGINS",
    default=["https://checkout.stripe.com"] if env.str("STRIPE_API_KEY", default="") else [],
)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:", *STREAM_ORIGINS],
        "font-src": [SELF],
        "connect-src": [SELF, *STREAM_ORIGINS],
        "media-src": [SELF, "blob:", *STREAM_ORIGINS],
        "worker-src": [SELF, "blob:"],  # hls.js demuxes in a worker made from a blob
        "manifest-src": [SELF],
        "form-action": [SELF, *PAYMENT_PAGE_ORIGINS],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "upgrade-insecure-requests": _https,
    }
}

#: The admin only: Unfold's scripts use eval (Alpine's ordinary build) and its pages inline styles.
#: No script stands in a page, so none is allowed there.
STAFF_POLICY = {
    **CONTENT_SECURITY_POLICY["DIRECTIVES"],
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:", "blob:"],
    "form-action": [SELF],
}

#: Nothing of ours needs a sensor; video needs sound, full screen and a screen that stays on.
PERMISSIONS_POLICY: dict[str, list[str]] = {
    "accelerometer": [],
    "autoplay": ["self"],
    "camera": [],
    "clipboard-read": [],
    "display-capture": [],
    "encrypted-media": [],
    "fullscreen": ["self"],
    "geolocation": [],
    "gyroscope": [],
    "magnetometer": [],
    "microphone": [],
    "midi": [],
    "payment": [],
    "picture-in-picture": ["self"],
    "publickey-credentials-get": ["self"],
    "screen-wake-lock": ["self"],
    "serial": [],
    "usb": [],
    "xr-spatial-tracking": [],
}
