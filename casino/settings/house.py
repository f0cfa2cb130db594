"""Faro's own settings: keys, signing, demo switches."""

from django.core.exceptions import ImproperlyConfigured

from casino.settings.environment import FARO_MODE, STATE_DIR, env

#: The version of these programs, as `pyproject.toml` has it: stands in evidence packs.
FARO_VERSION = "0.1.0"
#: Whose figures they are: the operator's name as it stands in reports. Production must name its own
#: (`check --deploy`).
FARO_OPERATOR: str = env.str(
    "FARO_OPERATOR", default="" if FARO_MODE == "production" else "Demonstration house"
)

#: 32 random bytes, URL-safe base64: wraps the per-person keys of personal audit fields.
FARO_AUDIT_KEY: str = env.str("FARO_AUDIT_KEY")
#: 32 random bytes, URL-safe base64: the Ed25519 seed that signs seals and receipts.
FARO_SEAL_KEY: str = env.str("FARO_SEAL_KEY")
#: Public keys of seals that an earlier FARO_SEAL_KEY signed: each the one line between BEGIN and
#: END of the file that `manage.py seal --public-key` printed then.
FARO_SEAL_OLD_KEYS: list[str] = env.list("FARO_SEAL_OLD_KEYS", default=[])
#: Address of a witness outside the house that is told every seal (docs/decisions/0119): https, or
#: http on loopback. Empty: none is told.
FARO_SEAL_WITNESS: str = env.str("FARO_SEAL_WITNESS", default="")
#: 32 random bytes, URL-safe base64: what presenters do at a console is signed with keys derived
#: from it, one per table (docs/decisions/0094). Empty: consoles take nothing.
FARO_CONSOLE_KEY: str = env.str("FARO_CONSOLE_KEY", default="")

#: Jurisdiction profiles (codes of `compliance/jurisdictions/*.yaml`) that this operator offers, in
#: order of preference. Production must name its own; the demonstration house is fictional.
FARO_JURISDICTIONS: list[str] = env.list(
    "FARO_JURISDICTIONS", default=[] if FARO_MODE == "production" else ["DEMO"]
)

#: So many days before a version of an offered profile begins that two officers have not signed, the
#: officers are told, and `check --deploy` warns: from its day on it stops play.
FARO_SIGN_OFF_WARN_DAYS: int = env.int("FARO_SIGN_OFF_WARN_DAYS", default=30)

#: Address of the simulated payment provider, and the secret its webhooks are signed with. None:
#: not configured, and then deposits through it are refused with a code.
SIMULATED_PSP_URL: str | None = env.str("SIMULATED_PSP_URL", default=None)
PSP_WEBHOOK_SECRET: str | None = env.str("PSP_WEBHOOK_SECRET", default=None)
#: What waits while a player's deposit is disputed: withdrawals always, deposits ("deposit") and
#: play ("bet") by the house's policy.
DISPUTE_STOPS = frozenset({"withdrawal", *env.list("DISPUTE_STOPS", default=[])})
if DISPUTE_STOPS - {"withdrawal", "deposit", "bet"}:
    raise ImproperlyConfigured("DISPUTE_STOPS: deposit, bet, both or neither")

#: Stripe: a secret or restricted API key, and the secrets of its webhook endpoint (several, with
#: commas, while one is changed). Empty: not connected. The address of its API differs in tests.
STRIPE_API_KEY: str | None = env.str("STRIPE_API_KEY", default=None)
STRIPE_WEBHOOK_SECRETS: list[str] = env.list("STRIPE_WEBHOOK_SECRETS", default=[])
STRIPE_API_BASE: str = env.str("STRIPE_API_BASE", default="")
#: The provider that takes new payments, by name. Empty: Stripe where it is connected, else the
#: simulated one, which `check --deploy` refuses in production unless it is named here.
PAYMENT_PROVIDER: str = env.str("PAYMENT_PROVIDER", default="")

#: Where sanctions and PEP lists are laid, a folder per source (docs/operations.md). Empty: lists
#: come by command or upload alone.
FARO_SCREENING_DIRECTORY: str = env.str("FARO_SCREENING_DIRECTORY", default="")

#: Where national registers of excluded people are, by the word that profiles name them with: JSON
#: such as {"gamstop": {"url": "https://…", "key": "…"}}. One that is missing here is never clear,
#: and whoever's profile names it may not play.
FARO_REGISTRIES: dict[str, dict[str, str]] = env.json("FARO_REGISTRIES", default={})
#: A MaxMind database (GeoLite2 or GeoIP2, country or city) that says where an address is. Empty:
#: nobody can look, and each profile says whether that refuses play (`check --deploy` names those).
FARO_GEOIP_DATABASE: str = env.str("FARO_GEOIP_DATABASE", default="")
#: The file of erasures that a restored copy repeats (docs/operations.md): beside no backup of the
#: database, so that no restore brings it back to an older state.
FARO_ERASURE_LOG: str = env.str("FARO_ERASURE_LOG", default=str(STATE_DIR / "erasures.jsonl"))
