"""Everything that can go wrong, as a tree.

    OIDCError                 code, status, public sentence, detail (for the log only)
      ConfigError             the operator's mistake: carries the list of all problems
      LoginError              the browser's request cannot be honoured            400 / 403
      ProviderError           the provider answered, and answered wrongly         502
      Unavailable             something we depend on cannot be reached now        503

A *code* is stable and documented in ``docs/errors.md``. The *public* sentence is fixed text, safe on a page; the *detail* is for the log and
may describe hostile input, so it is never shown. ``str(error)`` is the code alone: whatever prints an exception by accident prints no secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: The public sentence and the HTTP status of every code, one line each.
CODES: Final[dict[str, tuple[int, str]]] = {
    # -- the browser's request (LoginError) -----------------------------------------------------------------------------------------
    "state_missing": (400, "The sign-in response did not say which sign-in it belongs to."),
    "no_transaction": (400, "This sign-in was not started in this browser, or it was completed already."),
    "state_mismatch": (400, "The sign-in response does not belong to the sign-in that was started."),
    "transaction_expired": (400, "This sign-in took too long and has expired."),
    "transaction_used": (400, "This sign-in was completed already."),
    "duplicate_parameter": (400, "The sign-in response repeated a parameter."),
    "malformed_parameter": (400, "The sign-in response could not be read."),
    "unexpected_parameter": (400, "The sign-in response contained something that was not asked for."),
    "code_missing": (400, "The sign-in response contained no authorization code."),
    "code_invalid": (400, "The authorization code in the sign-in response is not usable."),
    "code_refused": (400, "The provider did not accept this sign-in's authorization code."),
    "iss_missing": (400, "The sign-in response did not name its provider."),
    "iss_mismatch": (400, "The sign-in response names another provider."),
    "nonce_missing": (400, "The provider's answer does not belong to this sign-in."),
    "nonce_mismatch": (400, "The provider's answer does not belong to this sign-in."),
    "access_denied": (403, "The sign-in was cancelled, or the provider denied it."),
    "provider_refused": (400, "The provider refused the sign-in."),
    "auth_time_missing": (403, "The provider did not say when you last signed in."),
    "auth_too_old": (403, "You signed in too long ago for this application."),
    "acr_insufficient": (403, "This application needs a stronger sign-in."),
    "session_too_large": (400, "Your account carries more information than fits into a session here."),
    "signed_out_meanwhile": (400, "You were signed out while you were signing in."),
    "error_page_expired": (400, "This page can no longer tell what went wrong."),
    "login_loop": (400, "Signing in worked, but your browser did not keep the session."),
    "not_allowed": (403, "You are signed in, but this account has no access here."),
    "cross_site_request": (403, "This request came from another site."),
    "origin_denied": (403, "This connection was opened from another site."),
    "login_required": (401, "You need to sign in."),
    "host_not_allowed": (400, "This address is not one that this application answers to."),
    "insecure_transport": (400, "Signing in needs https."),
    "bad_request_target": (400, "The address of this request is not usable."),
    "method_not_allowed": (405, "This address cannot be used in this way."),
    "body_too_large": (413, "The request is too large."),
    "body_unsupported": (415, "The request is not of a kind that is understood here."),
    "not_found": (404, "There is nothing here."),
    "logout_token_invalid": (400, "The logout token is not usable."),
    "refresh_refused": (401, "Your session at the provider has ended."),
    # -- the provider (ProviderError) -----------------------------------------------------------------------------------------------
    "metadata_invalid": (502, "The provider's configuration could not be read."),
    "metadata_issuer_mismatch": (502, "The provider's configuration belongs to another provider."),
    "metadata_endpoint_insecure": (502, "The provider's configuration names an address that is not safe to use."),
    "jwks_invalid": (502, "The provider's keys could not be read."),
    "response_too_large": (502, "The provider's answer is too large."),
    "response_redirected": (502, "The provider answered with a redirect where none is allowed."),
    "token_response_invalid": (502, "The provider's token answer could not be read."),
    "client_rejected": (502, "The provider does not accept this application's registration."),
    "token_refused": (502, "The provider refused to issue tokens."),
    "id_token_missing": (502, "The provider sent no ID token."),
    "id_token_malformed": (502, "The provider's ID token could not be read."),
    "id_token_algorithm": (502, "The provider's ID token is signed in a way that is not accepted."),
    "id_token_header": (502, "The provider's ID token has a header that is not accepted."),
    "id_token_key_unknown": (502, "The provider's ID token is signed with an unknown key."),
    "id_token_signature": (502, "The provider's ID token has a wrong signature."),
    "id_token_issuer": (502, "The provider's ID token names another issuer."),
    "id_token_audience": (502, "The provider's ID token is meant for another application."),
    "id_token_azp": (502, "The provider's ID token was issued to another application."),
    "id_token_expired": (502, "The provider's ID token has expired."),
    "id_token_iat": (502, "The provider's ID token was issued at an unusable time."),
    "id_token_nbf": (502, "The provider's ID token is not valid yet."),
    "id_token_subject": (502, "The provider's ID token names no usable subject."),
    "id_token_at_hash": (502, "The provider's tokens do not belong together."),
    "id_token_c_hash": (502, "The provider's tokens do not belong together."),
    "userinfo_invalid": (502, "The provider's UserInfo answer could not be read."),
    "userinfo_refused": (502, "The provider refused the UserInfo request."),
    "userinfo_sub_mismatch": (502, "The provider's UserInfo answer is about someone else."),
    # -- the surroundings (Unavailable) ---------------------------------------------------------------------------------------------
    "provider_unreachable": (503, "The sign-in provider cannot be reached at the moment."),
    "provider_timeout": (503, "The sign-in provider did not answer in time."),
    "provider_unavailable": (503, "The sign-in provider is not available at the moment."),
    "provider_throttled": (503, "The sign-in provider asks us to wait."),
    "provider_busy": (503, "Too many sign-ins are under way at the moment."),
    "login_interrupted": (503, "The sign-in was interrupted."),
    # -- provider/: the development provider refuses a client's request (RequestRefused) --------------------------------------------
    "request_refused": (400, "The request was refused."),
    "token_expired": (503, "The permission to act for you has expired and could not be renewed."),
    "store_unavailable": (503, "Sessions cannot be read at the moment."),
    "store_full": (503, "Your session could not be stored."),
    # -- the operator (ConfigError) -------------------------------------------------------------------------------------------------
    "config_invalid": (500, "This application is not configured correctly."),
}


class OIDCError(Exception):
    """Base of all errors of this package.

    ``code`` is a key of :data:`CODES`. ``detail`` is for the log. ``status`` and ``public`` come from the table.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        self.code: Final = code
        self.detail: Final = detail
        self.status, self.public = CODES[code]
        super().__init__(code)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r})"


class LoginError(OIDCError):
    """The browser's request cannot be honoured: 400, 403 and their kin. An existing session is left alone."""


class ProviderError(OIDCError):
    """The provider answered, and answered wrongly: 502."""


class Unavailable(OIDCError):
    """Something we depend on cannot be reached at the moment: 503.

    ``retry_after`` is in seconds. ``sent`` tells whether any byte of the request may have reached the other side; an authorization code is
    never sent again after that.
    """

    def __init__(self, code: str, detail: str = "", *, retry_after: int = 5, sent: bool = True) -> None:
        super().__init__(code, detail)
        self.retry_after: Final = retry_after
        self.sent: Final = sent


class ConfigError(OIDCError, ValueError):
    """The settings cannot be used. ``problems`` lists all of them at once, each naming its setting, none of them a secret's value."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("config_invalid", "; ".join(problems))
        self.problems: Final = tuple(problems)

    def __str__(self) -> str:
        return "oidc_middleware is not configured correctly:\n" + "\n".join(f"  - {problem}" for problem in self.problems)
