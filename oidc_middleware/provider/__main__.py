"""``python -m oidc_middleware.provider``: a provider on this machine, with one client, until interrupted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from oidc_middleware.errors import ConfigError
from oidc_middleware.provider.app import Provider
from oidc_middleware.provider.registry import SIGNING_ALGS, Client
from oidc_middleware.provider.server import address, listen, serve

#: Not a secret: this provider signs anybody in. Long enough for a middleware to derive its own keys from.
DEVELOPMENT_SECRET = "development-only-secret-0123456789abcdef"  # noqa: S105 - see above
_MODULE: Final = "python -m oidc_middleware.provider"


def arguments(prog: str = _MODULE) -> argparse.ArgumentParser:
    about = "An OpenID Provider for development: anybody can sign in as anybody."
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (%(default)s)")
    parser.add_argument("--port", type=int, default=9400, help="0 for any free one (%(default)s)")
    parser.add_argument("--client-id", default="app", help="(%(default)s)")
    parser.add_argument("--client-secret", default=DEVELOPMENT_SECRET, help="a fixed one unless given")
    parser.add_argument("--public", action="store_true", help="a public client: no secret, PKCE required")
    parser.add_argument("--redirect-uri", action="append", default=[], metavar="URI", help="may be repeated; without it: any on this machine")
    parser.add_argument("--post-logout-redirect-uri", action="append", default=[], metavar="URI", help="may be repeated")
    parser.add_argument("--alg", default="RS256", choices=SIGNING_ALGS, help="signs ID tokens (%(default)s)")
    parser.add_argument("--consent", action="store_true", help="ask before a client gets claims")
    parser.add_argument("--id-token-claims", action="store_true", help="put the scopes' claims into the ID token as well")
    return parser


def main(argv: Sequence[str] | None = None, prog: str = _MODULE) -> int:
    """Start, say where, and serve. Returns the exit code."""
    options = arguments(prog).parse_args(argv)
    try:
        with listen(options.host, options.port) as listening:
            provider = Provider(address(listening), [_client(options)], consent=options.consent, id_token_claims=options.id_token_claims)
            sys.stdout.write(announcement(provider))
            sys.stdout.flush()
            serve(provider, sock=listening)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"port: cannot listen there: {error.strerror}\n")
        return 1
    return 0


def announcement(provider: Provider) -> str:
    """Where it is, in the form of the settings that an application needs. The secret is this provider's own and no secret."""
    lines = [f"The development provider is at {provider.issuer}/ (stop it with Ctrl-C). Point an application at it with:", ""]
    for client in provider.clients.values():
        lines += [f"  OIDC_ISSUER={provider.issuer}", f"  OIDC_CLIENT_ID={client.client_id}"]
        lines += [f"  OIDC_CLIENT_SECRET={client.client_secret}"] if client.client_secret else []
    return "\n".join([*lines, "", ""])


def _client(options: argparse.Namespace) -> Client:
    return Client(
        options.client_id,
        None if options.public else options.client_secret,
        options.redirect_uri,
        options.post_logout_redirect_uri,
        id_token_signed_response_alg=options.alg,
        any_loopback_redirect_uri=not options.redirect_uri,
    )


if __name__ == "__main__":
    sys.exit(main())
