"""PostgreSQL, twice: `DATABASE_URL` runs, `DATABASE_OWNER_URL` migrates.

The runtime role owns nothing. `manage.py migrate` under `FARO_ROLE=owner` connects as the owner;
every other command and process connects as the runtime role.
"""

from urllib.parse import urlsplit

from casino.settings.environment import env

CONNECT_TIMEOUT_S = 3
#: Notice a dead peer within seconds instead of the kernel's 15 minutes (measured: 2.2 s).
TCP_USER_TIMEOUT_MS = 2_000

#: Connections that this process shares among its requests, at most; 0: each request makes its own.
#: For the web role, whose requests are many and short; a crowd cannot ask more of the server.
FARO_DATABASE_POOL: int = env.int("FARO_DATABASE_POOL", default=0)

DATABASE_URL: str = env.str("DATABASE_URL")
DATABASE_OWNER_URL: str = env.str("DATABASE_OWNER_URL", default="")
FARO_ROLE: str = env.str("FARO_ROLE", default="app")

#: Set by `bin/up` when it started the server itself.
FARO_EMBEDDED_DATABASE: bool = env.bool("FARO_EMBEDDED_DATABASE", default=False)

#: The name of the runtime role, which migrations grant to (and revoke from).
DATABASE_RUNTIME_ROLE: str = urlsplit(DATABASE_URL).username or ""

_url = DATABASE_OWNER_URL if FARO_ROLE == "owner" else DATABASE_URL
_database = env.db_url_config(_url)
_database.update(
    ENGINE="django.db.backends.postgresql",
    CONN_MAX_AGE=0,
    CONN_HEALTH_CHECKS=FARO_DATABASE_POOL > 0,  # a shared one may have died since its last use
    ATOMIC_REQUESTS=False,
)
_database.setdefault("OPTIONS", {}).update(
    connect_timeout=CONNECT_TIMEOUT_S,
    tcp_user_timeout=TCP_USER_TIMEOUT_MS,
    application_name=f"faro-{FARO_ROLE}",
    # Our statements are short and touch many partitions, whose estimated cost makes a server with
    # a compiler compile them anew each time: 0.4 to 1 s a call of the ledger (measured, Debian 15).
    options="-c jit=off",
)
if FARO_DATABASE_POOL:
    _database["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": FARO_DATABASE_POOL,
        "timeout": CONNECT_TIMEOUT_S,
        # One attempt and the next caller's: with psycopg's own five minutes of ever longer pauses,
        # a server that is back would stay unasked for up to a minute and more.
        "reconnect_timeout": CONNECT_TIMEOUT_S,
    }
DATABASES = {"default": _database}
