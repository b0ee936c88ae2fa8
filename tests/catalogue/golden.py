"""What this version writes: everything that a browser or a store keeps for us, made with fixed secrets, a fixed time and fixed random bytes.

``python -m tests.catalogue.golden`` writes ``golden_2.json``: sessions in format 2, sealed by AES-GCM alone. ``golden_1.json`` is what was written
before, sessions in format 1 and signed as well, and stays as it is. A version that writes another format reads both, and gets a file of its own
beside them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oidc_middleware.config import Settings
from oidc_middleware.flows.site import Site
from oidc_middleware.flows.stored import store_key
from oidc_middleware.flows.stored_tokens import token_key
from oidc_middleware.sessions import kept_tokens
from oidc_middleware.sessions.kept_tokens import KeptTokens
from oidc_middleware.sessions.pending import PendingLogin
from oidc_middleware.sessions.session import Session, encode

FILE = Path(__file__).with_name("golden_2.json")
FILES = (Path(__file__).with_name("golden_1.json"), FILE)
NOW = 1_800_000_000.0
SECRET = "golden-secret-key-0123456789-abcdefghijklmn"
ISSUER, CLIENT, BASE = "https://op.example", "app", "https://app.example.com"
SESSION_ID = "A" * 43
ENTROPY = bytes(range(12))

SETTINGS = Settings(
    issuer=ISSUER, client_id=CLIENT, client_secret="s" * 40, secret_keys=(SECRET,), base_url=BASE, store="memory://", keep_tokens=True, leeway=60.0
)
SITE = Site(SETTINGS, BASE, "")

LOGIN = PendingLogin("state-" + "s" * 37, "nonce-" + "n" * 37, "v" * 43, "/deep?a=b", ISSUER, f"{BASE}/oidc/callback", NOW, iss_required=True)
TOKENS = KeptTokens(
    access_token="access",
    refresh_token="refresh",
    received=NOW,
    expires=NOW + 300,
    ends=NOW + 28_800,
    scopes=("openid", "email"),
    subject="ada",
    audience=(CLIENT,),
    nonce="nonce",
    auth_time=None,
)


def session(groups: int = 1) -> Session:
    """One that takes one cookie, or more."""
    claims = {"iss": ISSUER, "sub": "ada", "name": "Ada Lövelace", "groups": [f"group-{number:03}" for number in range(groups)]}
    return Session(
        issuer=ISSUER,
        subject="ada",
        claims_json=json.dumps(claims, ensure_ascii=False),
        created=NOW,
        seen=NOW,
        expires=NOW + 28_800,
        sid="sid-1",
        scopes=("openid", "email"),
        id_token="eyJ.golden.token",
        auth_time=1_799_999_999,
        issued_at=NOW - 1,
    )


def pairs(set_cookies: tuple[str, ...]) -> list[str]:
    """Name and value, as a browser sends them."""
    return [cookie.partition(";")[0] for cookie in set_cookies]


def written() -> dict[str, Any]:
    """Everything, by name."""
    stored, key = SITE.keyring, store_key(SESSION_ID)
    return {
        "session": pairs(SITE.sessions.write(session(), NOW, ENTROPY, ())),
        "session in parts": pairs(SITE.sessions.write(session(250), NOW, ENTROPY, ())),
        "login": pairs(SITE.logins.add("", LOGIN, ENTROPY, NOW)),
        "rounds": pairs((SITE.rounds.add("", NOW, ENTROPY),)),
        "csrf": SITE.csrf.make("of this session", NOW, ENTROPY),
        "after sign-out": stored.seal("post-logout", b"/bye", ENTROPY),
        "key": key,
        "stored session": stored.seal("stored-session", key.encode() + b"\n" + encode(session()), ENTROPY),
        "token key": token_key(key),
        "stored tokens": stored.seal("stored-tokens", token_key(key).encode() + b"\n" + kept_tokens.encode(TOKENS), ENTROPY),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(written(), indent=1) + "\n")
