"""Who is measured: for each the bare application, the same application with authentication, and the server that runs both."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from peers import environments as env

APPS: Final = Path(__file__).parent / "apps"

#: Makes the command that serves on a port. The folder is for what the server wants to write.
Command = Callable[[int, Path], list[str]]


@dataclass(frozen=True)
class Peer:
    """One of those who are compared. *prepare* installs what it needs, or raises ``NotHere``."""

    id: str
    name: str
    server: str
    prepare: Callable[[], object]
    bare: Command
    guarded: Command
    versions: Callable[[], Mapping[str, str]]
    #: Its redirect URI, and the path that sends somebody unknown straight to the provider.
    callback: str = "/callback"
    login: str = "/"
    ours: bool = False
    quick: bool = False


_UVICORN: Final = ("-m", "uvicorn", "{app}:app", "--port", "{port}", "--loop", "uvloop", "--http", "httptools", "--no-access-log",
                   "--log-level", "warning")  # fmt: skip
_GRANIAN: Final = ("-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1", "--loop", "uvloop",
                   "--log-level", "warning", "{app}:app")  # fmt: skip
_HYPERCORN: Final = ("-m", "hypercorn", "--bind", "127.0.0.1:{port}", "--worker-class", "uvloop", "--log-level", "warning", "{app}:app")
_GUNICORN: Final = ("-m", "gunicorn", "{app}:app", "-b", "127.0.0.1:{port}", "-k", "gthread", "--workers", "1", "--threads", "4",
                    "--keep-alive", "60", "--log-level", "warning")  # fmt: skip


def _served(environment: str, server: tuple[str, ...], app: str, port: int, _folder: Path) -> list[str]:
    return [str(env.FOLDER / environment / "bin" / "python"), *(part.format(app=app, port=port) for part in server)]


def _python_peer(
    peer: str, name: str, environment: str, server: str, command: tuple[str, ...], apps: tuple[str, str], packages: tuple[str, ...],
    *, callback: str = "/callback", login: str = "/", ours: bool = False, quick: bool = False,
) -> Peer:  # fmt: skip
    return Peer(
        peer,
        name,
        server,
        prepare=partial(env.python, environment),
        bare=partial(_served, environment, command, apps[0]),
        guarded=partial(_served, environment, command, apps[1]),
        versions=partial(env.python_versions, environment, packages),
        callback=callback,
        login=login,
        ours=ours,
        quick=quick,
    )


_ours = partial(_python_peer, environment="ours", callback="/oidc/callback", ours=True)


def _node(kind: str, port: int, _folder: Path) -> list[str]:
    return [env.node(), str(env.NODE / "express.mjs"), str(port), kind]


# -- Apache ------------------------------------------------------------------------------------------------------------------------------

#: One process, like the others; a file that Apache sends, and who it is for in a header.
_APACHE = """
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
ServerRoot {folder}
PidFile {folder}/{name}.pid
DefaultRuntimeDir {folder}
ErrorLog /dev/stderr
LogLevel error
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule headers_module {modules}/mod_headers.so
TypesConfig /etc/mime.types
ServerLimit 1
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 25
MaxKeepAliveRequests 0
DocumentRoot {folder}/pages
DirectoryIndex index.txt
"""
_APACHE_BARE = """
Header set X-Who ada@example.com
"""
_APACHE_GUARDED = """
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI {base_url}/callback
OIDCCryptoPassphrase benchmark-only-0123456789-abcdefghij
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCRemoteUserClaim email
OIDCSessionType {session}
<Location />
  AuthType openid-connect
  Require valid-user
  Header set X-Who expr=%{{REMOTE_USER}}
</Location>
"""


def _apache(session: str | None, port: int, folder: Path) -> list[str]:
    """*session*: where mod_auth_openidc keeps it; ``None`` for Apache without it."""
    name = f"apache-{session or 'bare'}-{port}".replace(":", "-")
    pages = folder / "pages"
    pages.mkdir(exist_ok=True)
    (pages / "index.txt").write_text("a page\n")
    folder.chmod(0o755)  # for the user that Apache's threads run as
    text = (_APACHE + (_APACHE_GUARDED if session else _APACHE_BARE)).format(
        port=port,
        folder=folder,
        name=name,
        modules=env.MODULES,
        session=session,
        user=_unprivileged() if os.geteuid() == 0 else "",
        issuer=os.environ["BENCH_ISSUER"],
        client_id=os.environ["BENCH_CLIENT_ID"],
        client_secret=os.environ["BENCH_CLIENT_SECRET"],
        base_url=f"http://127.0.0.1:{port}",
    )
    conf = folder / f"{name}.conf"
    conf.write_text(text)
    return [env.apache(), "-DFOREGROUND", "-f", str(conf)]


def _unprivileged() -> str:
    """Apache does not serve as root."""
    return "User www-data\nGroup www-data" if any(user.pw_name == "www-data" for user in pwd.getpwall()) else "User nobody"


def _apache_peer(peer: str, name: str, session: str) -> Peer:
    return Peer(
        peer,
        name,
        "Apache (event)",
        prepare=env.apache,
        bare=partial(_apache, None),
        guarded=partial(_apache, session),
        versions=env.apache_versions,
    )


_ASGI: Final = ("starlette_bare", "starlette_ours")
_WSGI: Final = ("flask_bare", "flask_ours")
_OURS: Final = "oidc_middleware"

PEERS: Final = (
    _ours("ours-uvicorn", _OURS, server="uvicorn", command=_UVICORN, apps=_ASGI, packages=("starlette", "uvicorn"), quick=True),
    _python_peer("starlette-session", "Starlette session + Authlib", "starlette", "uvicorn", _UVICORN,
                 ("starlette_bare", "starlette_session"), ("starlette", "authlib", "uvicorn"), quick=True),
    _python_peer("starlette-requires", "Starlette @requires + Authlib", "starlette", "uvicorn", _UVICORN,
                 ("starlette_bare", "starlette_requires"), ("starlette", "authlib", "uvicorn"), login="/login"),
    _ours("ours-granian", _OURS, server="granian", command=_GRANIAN, apps=_ASGI, packages=("starlette", "granian")),
    _ours("ours-hypercorn", _OURS, server="hypercorn", command=_HYPERCORN, apps=_ASGI, packages=("starlette", "hypercorn")),
    _ours("ours-gunicorn", _OURS, server="gunicorn", command=_GUNICORN, apps=_WSGI, packages=("flask", "gunicorn"), quick=True),
    _python_peer("flask-authlib", "Flask session + Authlib", "flask", "gunicorn", _GUNICORN, ("flask_bare", "flask_authlib"),
                 ("flask", "authlib", "gunicorn"), quick=True),
    _python_peer("flask-oidc", "flask-oidc", "flask-oidc", "gunicorn", _GUNICORN, ("flask_bare", "flask_oidc_peer"),
                 ("flask", "flask-oidc", "gunicorn"), callback="/authorize", login="/login"),
    _python_peer("flask-pyoidc", "Flask-pyoidc", "flask-pyoidc", "gunicorn", _GUNICORN, ("flask_bare", "flask_pyoidc_peer"),
                 ("flask", "flask-pyoidc", "gunicorn"), callback="/redirect_uri"),
    Peer("express", "express-openid-connect", "Node.js", env.node, partial(_node, "bare"), partial(_node, "guarded"),
         partial(env.node_versions, ("express", "express-openid-connect"))),
    _apache_peer("apache-memory", "mod_auth_openidc, shared memory", "server-cache"),
    _apache_peer("apache-cookie", "mod_auth_openidc, cookie", "client-cookie"),
)  # fmt: skip

#: Threads that wait for a provider serve nobody else, and one process lets 20 calls wait at a time.
MANY_THREADS: Final = _ours(
    "ours-gunicorn-32", _OURS, server="gunicorn, 32 threads", command=tuple("32" if part == "4" else part for part in _GUNICORN), apps=_WSGI,
    packages=("flask", "gunicorn"),
)  # fmt: skip
