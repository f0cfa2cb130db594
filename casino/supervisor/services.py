"""PostgreSQL and Valkey: real servers where the environment names them, embedded ones elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from casino.embedded import postgres, unprivileged, valkey
from casino.supervisor.failure import CannotStart
from casino.supervisor.state import State

DATABASE = "faro"


@dataclass(slots=True)
class Services:
    """Where the database and the broker are, and the embedded ones that we started."""

    database_url: str
    owner_url: str
    redis_url: str
    cluster: postgres.Cluster | None = None
    server: valkey.Server | None = None

    def runtime(self) -> dict[str, str]:
        """What a running process may know: never the owner's password."""
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "FARO_EMBEDDED_DATABASE": "1" if self.cluster is not None else "",
        }

    def migrating(self) -> dict[str, str]:
        return self.runtime() | {"DATABASE_OWNER_URL": self.owner_url, "FARO_ROLE": "owner"}

    def described(self) -> dict[str, str]:
        """For the terminal: what runs where, without passwords."""
        mine = {}
        if self.cluster is not None:
            mine["PostgreSQL"] = f"embedded, 127.0.0.1:{self.cluster.port}"
        if self.server is not None:
            mine["Valkey"] = f"embedded, 127.0.0.1:{self.server.port}"
        return mine

    def watch(self) -> Iterator[str]:
        """Start a dead embedded server again, on its old port; a line for each."""
        for name, server in (("PostgreSQL", self.cluster), ("Valkey", self.server)):
            if server is None or server.alive():
                continue
            yield f"{name} stopped; starting it again, see {server.log}"
            try:
                server.start()
            except (postgres.PostgresFailed, valkey.ValkeyFailed) as failure:
                yield str(failure)

    def stop(self) -> None:
        """Valkey first: PostgreSQL holds what must not be lost and goes last."""
        if self.server is not None:
            self.server.stop()
        if self.cluster is not None:
            self.cluster.stop()


def start(state: State, given: Mapping[str, str]) -> Services:
    """Embedded servers for whatever ``given`` does not name. Raises ``CannotStart``."""
    database, owner = given.get("DATABASE_URL", ""), given.get("DATABASE_OWNER_URL", "")
    if bool(database) != bool(owner):
        raise CannotStart(
            "set both DATABASE_URL (the role that runs) and DATABASE_OWNER_URL (the role that "
            "migrates), or neither"
        )
    services = Services(database, owner, given.get("REDIS_URL", ""))
    try:
        if not database:
            _start_postgres(services, state)
        if not services.redis_url:
            services.server = valkey.Server(state.root / "valkey", port=postgres.free_port())
            services.redis_url = services.server.start()
    except (postgres.PostgresFailed, valkey.ValkeyFailed, unprivileged.CannotDropRoot) as failure:
        services.stop()
        raise CannotStart(str(failure)) from None
    except OSError as failure:
        services.stop()
        raise CannotStart(f"cannot start the embedded servers: {failure}") from None
    return services


def _start_postgres(services: Services, state: State) -> None:
    services.cluster = postgres.Cluster(state.root / "postgres", port=postgres.free_port())
    address = services.cluster.start()
    postgres.ensure_database(address, DATABASE)
    services.database_url = address.url(postgres.APP, DATABASE)
    services.owner_url = address.url(postgres.OWNER, DATABASE)
