"""Faro's own settings: keys, signing, demo switches."""

from casino.settings.environment import env

#: 32 random bytes, URL-safe base64: wraps the per-person keys of personal audit fields.
FARO_AUDIT_KEY: str = env.str("FARO_AUDIT_KEY")
#: 32 random bytes, URL-safe base64: the Ed25519 seed that signs seals and receipts.
FARO_SEAL_KEY: str = env.str("FARO_SEAL_KEY")
