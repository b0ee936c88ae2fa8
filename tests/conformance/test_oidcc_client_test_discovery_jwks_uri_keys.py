"""oidcc-client-test-discovery-jwks-uri-keys: the keys come from wherever the metadata says, after discovery and before UserInfo."""

import httpx


def test_keys_from_a_random_place(party):
    provider = party.provider
    provider.metadata_edits["jwks_uri"] = "https://op.example/keys-7f3a"
    provider.script("/keys-7f3a", edit=lambda response: httpx.Response(200, json=provider.jwks()))
    assert party.browser().login("/").status == 200
    assert [request.endpoint for request in provider.requests] == ["discovery", "/keys-7f3a", "token", "userinfo"]
