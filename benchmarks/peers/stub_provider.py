"""A provider for outages: metadata and keys below ``/well`` and ``/silent-tokens``, a token endpoint that refuses below ``/well``; else silence.

python stub_provider.py PORT        accepts every connection, and lets callers of what is silent wait for as long as they stay
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final

from joserfc.jwk import RSAKey

#: No ID token is ever signed with it, but without one no code would be sent.
_KEY: Final = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"}).as_dict(private=False)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, base: str) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        mode, last = path.split("/")[1], path.rpartition("/")[2]
        answer = _metadata(f"{base}/{mode}") if last == "openid-configuration" and mode != "silent" else None
        if last == "token" and mode == "well":
            answer = {"error": "invalid_grant"}
        if last == "keys" and mode != "silent":
            answer = {"keys": [_KEY]}
        if answer is None:
            await reader.read()  # until the caller leaves
            return
        body = json.dumps(answer).encode()
        status = b"400 Bad Request" if "error" in answer else b"200 OK"
        writer.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body)
        )
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def _metadata(issuer: str) -> dict[str, object]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


async def main() -> None:
    port = int(sys.argv[1])
    server = await asyncio.start_server(lambda reader, writer: _answer(reader, writer, f"http://127.0.0.1:{port}"), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
