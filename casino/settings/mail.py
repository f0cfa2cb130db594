"""How e-mail leaves. The demo and the tests keep it in a local mailbox page.

Production names its server in `EMAIL_URL` (`smtp+tls://user:password@host:587`).
"""

from casino.settings.environment import FARO_MODE, env

EMAIL_TIMEOUT = 30
if FARO_MODE == "production":
    # without a server named, mail to a local relay; `check --deploy` has no opinion on mail
    _mail = env.email_url_config(env.str("EMAIL_URL", default="smtp://localhost:25"))
    EMAIL_BACKEND: str = _mail["EMAIL_BACKEND"]
    EMAIL_HOST: str = _mail["EMAIL_HOST"]
    EMAIL_PORT: int = _mail["EMAIL_PORT"]
    EMAIL_HOST_USER: str = _mail["EMAIL_HOST_USER"] or ""
    EMAIL_HOST_PASSWORD: str = _mail["EMAIL_HOST_PASSWORD"] or ""
    EMAIL_USE_TLS = bool(_mail.get("EMAIL_USE_TLS", False))
    EMAIL_USE_SSL = bool(_mail.get("EMAIL_USE_SSL", False))
else:
    EMAIL_BACKEND = "notices.mailbox.MailboxBackend"

MAIL_DOMAIN: str = env.str("MAIL_DOMAIN", default="faro.invalid")
DEFAULT_FROM_EMAIL: str = env.str("MAIL_FROM", default=f"Faro <no-reply@{MAIL_DOMAIN}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
#: Where people write to who cannot sign in: pages that turn somebody away show it. Production must
#: name its own (`check --deploy`); who is signed in opens a case instead.
SUPPORT_EMAIL: str = env.str(
    "SUPPORT_EMAIL", default="" if FARO_MODE == "production" else f"support@{MAIL_DOMAIN}"
)

#: /mailbox/ shows everybody's mail: never in production.
MAILBOX_PAGE = FARO_MODE != "production"
#: `task`: the worker sends. `task_or_inline`: this process does where no broker answers.
#: `inline`: this process always does, after the commit.
NOTICES_SEND = {"production": "task", "demo": "task_or_inline", "test": "inline"}[FARO_MODE]
NOTICES_ADDRESS_BOOK = "accounts.address_book.address_of"
#: Asked before a marketing notice leaves: `notices` stands below what decides it.
NOTICES_MARKETING_GATE = "compliance.marketing.may_send"
