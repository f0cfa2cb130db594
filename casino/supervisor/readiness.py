"""Is the web role answering, with everything behind it?"""

from __future__ import annotations

import http.client

from casino.supervisor.ports import HOST

ANSWER_TIMEOUT_S = 2


def answers(port: int, path: str) -> bool:
    """True when ``GET path`` gives 200 on loopback."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
