"""Sign-up, sign-in, sessions, second factor, lock-out."""

AUTH_USER_MODEL = "accounts.User"
