"""The development provider of this package, with one client for each dashboard."""

from __future__ import annotations

import argparse
import os

from parent import end_with_parent

from oidc_middleware.provider import Client, Provider, serve


def client(name: str) -> Client:
    """The registration of one dashboard: where it may send people back to after sign-in and sign-out."""
    base_url = os.environ[f"DEMO_{name.upper()}_URL"]
    return Client(
        client_id=name,
        client_secret=os.environ["DEMO_CLIENT_SECRET"],
        client_name=name.capitalize(),
        redirect_uris=(f"{base_url}/oidc/callback",),
        post_logout_redirect_uris=(f"{base_url}/oidc/signed-out",),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    provider = Provider(f"http://localhost:{port}", clients=[client("sales"), client("operations")])
    end_with_parent()
    serve(provider, port=port)
