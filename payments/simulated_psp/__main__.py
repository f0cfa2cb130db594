"""`python -m payments.simulated_psp --port N --secret-file F`: run the simulated provider."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import uvicorn

from payments.simulated_psp.app import Provider
from payments.simulated_psp.desk import Desk
from payments.simulated_psp.faults import Faults
from payments.simulated_psp.hooks import Hooks
from payments.simulated_psp.settlement import Settlement
from payments.simulated_psp.store import Store


def main() -> int:
    """Serve until stopped. Exit code 2 when the secret cannot be read."""
    options = _options()
    try:
        secret = _secret(options)
    except OSError as error:
        sys.stderr.write(f"simulated_psp: the secret cannot be read: {error}\n")
        return 2
    if len(secret) < 16:
        sys.stderr.write("simulated_psp: the secret is missing or shorter than 16 characters\n")
        return 2
    asyncio.run(_serve(options, secret))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m payments.simulated_psp")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--secret-file", type=Path, help="else the environment's PSP_WEBHOOK_SECRET"
    )
    parser.add_argument("--webhook-url", default=_webhook_url(), help="empty: none are sent")
    parser.add_argument("--public-url", default="", help="address of the hosted page, if another")
    parser.add_argument("--state-file", type=Path, default=_state_file())
    parser.add_argument("--confirm-delay-ms", type=int, default=0)
    parser.add_argument(
        "--home-country", default="MT", help="where cards are issued that are from nowhere else"
    )
    parser.add_argument(
        "--files-dir", type=Path, help="settlement files and bank statements; none without it"
    )
    parser.add_argument(
        "--settle-every-s", type=int, default=0, help="else at the end of each business day (UTC)"
    )
    parser.add_argument("--bank-account", default="PLAYBANK0001", help="the operator's account")
    return parser.parse_args()


def _webhook_url() -> str:
    """Our platform's address for news, where the environment names the platform."""
    platform = os.environ.get("FARO_PUBLIC_URL", "").rstrip("/")
    return f"{platform}/payments/webhooks/simulated/" if platform else ""


def _state_file() -> Path | None:
    """Beside the platform's other state, so that a second start knows its payments."""
    state_dir = os.environ.get("FARO_STATE_DIR", "")
    return Path(state_dir) / "simulated_psp.sqlite3" if state_dir else None


def _secret(options: argparse.Namespace) -> str:
    if options.secret_file is None:
        return os.environ.get("PSP_WEBHOOK_SECRET", "")
    return str(options.secret_file.read_text(encoding="utf-8").strip())


async def _serve(options: argparse.Namespace, secret: str) -> None:
    faults, store = Faults(confirm_delay_ms=options.confirm_delay_ms), Store(options.state_file)
    desk = Desk(
        store=store,
        hooks=Hooks(options.webhook_url, secret, store, faults),
        faults=faults,
        base_url=(options.public_url or f"http://{options.host}:{options.port}").rstrip("/"),
        home_country=options.home_country,
    )
    settlement = Settlement(desk, options.files_dir, options.bank_account)
    provider = Provider(desk, secret, settlement)
    provider.resume()
    desk.later(settlement.run(options.settle_every_s))
    server = uvicorn.Server(
        uvicorn.Config(
            provider,
            host=options.host,
            port=options.port,
            lifespan="off",
            log_level="warning",
            access_log=False,
        )
    )
    try:
        await server.serve()
    finally:
        await provider.close()


if __name__ == "__main__":
    raise SystemExit(main())
