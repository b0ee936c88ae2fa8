"""The demo: a development provider and two protected dashboards on this machine.

python examples/demo/run.py             starts them, and says where they are; Ctrl-C ends them
python examples/demo/run.py --check     starts them, signs in and out like a browser would, says what it saw, and ends them
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from check import check
from children import Children, free_port

from oidc_middleware.provider import SAMPLE_USERS


@dataclass(frozen=True)
class Places:
    """Where the three parts are."""

    provider: str
    sales: str
    operations: str


def start(children: Children) -> Places:
    """Start all three, and return when they answer."""
    taken: set[int] = set()
    sales, operations, provider = (free_port(wanted, taken) for wanted in (8000, 8001, 9000))
    # The provider's name differs from the dashboards' on purpose: another host means another site, as it is in real life.
    places = Places(f"http://localhost:{provider}", f"http://127.0.0.1:{sales}", f"http://127.0.0.1:{operations}")
    client_secret = secrets.token_urlsafe(32)

    def environ(client_id: str, base_url: str) -> dict[str, str]:
        return {
            "OIDC_ISSUER": places.provider,
            "OIDC_CLIENT_ID": client_id,
            "OIDC_CLIENT_SECRET": client_secret,
            "OIDC_BASE_URL": base_url,
            "OIDC_SECRET_KEY": secrets.token_urlsafe(32),
        }

    children.start(
        "provider.py",
        provider,
        {"DEMO_CLIENT_SECRET": client_secret, "DEMO_SALES_URL": places.sales, "DEMO_OPERATIONS_URL": places.operations},
    )
    children.start("sales.py", sales, environ("sales", places.sales))
    children.start("operations.py", operations, environ("operations", places.operations))
    children.wait_for(f"{places.provider}/.well-known/openid-configuration")
    children.wait_for(f"{places.sales}/healthz")
    children.wait_for(f"{places.operations}/healthz")
    return places


def announce(places: Places) -> None:
    """Say what runs where, and what to do with it."""
    users = "\n".join(f"      {user.sub:<14}{user.note}" for user in SAMPLE_USERS)
    print(
        f"""
  Two dashboards are running, each behind one line of oidc_middleware:

      Sales         {places.sales}    Flask, WSGI, waitress
      Operations    {places.operations}    Starlette, ASGI, uvicorn

  They trust the development provider at {places.provider}, which knows

{users}

  Try this:
      1. Open {places.sales}/regions/north?weeks=52 and sign in as ada: you end up on that very page.
      2. Open {places.operations}: no second sign-in, the provider knows you already.
      3. Sign out by the menu at the top right: here, and at the provider.
      4. Sign in as alan, who is not in the group that may see this: a page with a way out, no loop.

  Ctrl-C ends everything.
""",
        flush=True,
    )


def stay(children: Children) -> int:
    """Until somebody ends us, or a part ends by itself."""
    while not (ended := children.ended()):
        time.sleep(0.5)
    print(f"{', '.join(ended)} ended unexpectedly\n{children.output()}", file=sys.stderr)
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Two protected dashboards and a provider.")
    parser.add_argument("--check", action="store_true", help="sign in and out like a browser would, and end")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # ended from outside is ended as by Ctrl-C: the parts go first
        signal.signal(number, _interrupted)
    with Children() as children:
        try:
            places = start(children)
            if arguments.check:
                return check(places.provider, places.sales, places.operations)
            announce(places)
            return stay(children)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\n  Ending.")
            return 0


def _interrupted(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
