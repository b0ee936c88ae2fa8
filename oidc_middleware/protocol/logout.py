"""Signing out at the provider: OpenID Connect RP-Initiated Logout 1.0."""

from __future__ import annotations

from oidc_middleware.protocol.urls import MAX_URL_LENGTH, with_query


def end_session_request(endpoint: str, *, client_id: str, post_logout_redirect_uri: str | None, id_token_hint: str | None, state: str | None) -> str:
    """The URL that ends the session at the provider (RP-Initiated Logout 2).

    *client_id* lets the provider know us without the hint. A URL above 8 kB fails on the way, so the hint is left out then; the provider may ask
    the user instead.
    """
    optional = {"id_token_hint": id_token_hint, "post_logout_redirect_uri": post_logout_redirect_uri, "state": state}
    parameters = {"client_id": client_id} | {name: value for name, value in optional.items() if value}
    url = with_query(endpoint, parameters)
    if len(url) > MAX_URL_LENGTH and id_token_hint:
        del parameters["id_token_hint"]
        url = with_query(endpoint, parameters)
    return url
