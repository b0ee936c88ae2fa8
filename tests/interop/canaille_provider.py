"""Canaille on a loopback port, with one user and the clients of the command line. Runs in a virtual environment of its own, because Canaille's
distribution brings a top-level package named ``tests``. Arguments: the port, and a JSON array of clients.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socketserver
import sys
import wsgiref.simple_server
from typing import Any

PASSWORD = "correct horse battery staple"


def configuration(port: int) -> dict[str, Any]:
    from joserfc.jwk import JWKRegistry  # only there, where Canaille is

    key = JWKRegistry.generate_key("RSA", 2048)
    key.ensure_kid()
    return {
        "ENV_FILE": None,
        "SECRET_KEY": "interoperability tests only",
        "PREFERRED_URL_SCHEME": "http",
        "SESSION_COOKIE_SECURE": False,
        "SERVER_NAME": f"localhost:{port}",
        "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False, "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}}},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)]},
    }


def populate(client_values: list[dict[str, Any]]) -> None:
    from canaille.app import models  # likewise
    from canaille.backends import Backend  # likewise

    ada = models.User(
        user_name="ada",
        given_name="Ada",
        family_name="Lovelace",
        formatted_name="Ada Lovelace",
        display_name="Ada Lovelace",
        emails=["ada@example.com"],
        password=PASSWORD,
    )
    Backend.instance.save(ada)
    for name in ("admins", "engineering"):
        Backend.instance.save(models.Group(display_name=name, members=[ada]))
    for values in client_values:
        client = models.Client(client_id_issued_at=dt.datetime.now(dt.UTC), client_secret_expires_at=None, **values)
        Backend.instance.save(client)
        client.audience = [client]
        Backend.instance.save(client)


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


def main() -> None:
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    port, clients = int(sys.argv[1]), json.loads(sys.argv[2])
    from canaille import create_app  # likewise

    app = create_app(config=configuration(port))
    with app.app_context():
        populate(clients)
    with wsgiref.simple_server.make_server("127.0.0.1", port, app, Server) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
