"""oidcc-client-test-form-post-error: the provider answers login_required, posted as a form. An error page is shown, the login is over."""

import pytest

from oidc_middleware.testing import REMOVE
from tests.conformance.party import DEEP_LINK, codes_on


@pytest.fixture
def form_post(party):
    party.restart(response_mode="form_post", authorize_params={"prompt": "none"})
    return party


@pytest.mark.row("ST-15", "ER-01")
def test_error(form_post):
    edits = {"code": REMOVE, "error": "login_required", "error_description": "<script>alert(1)</script>"}
    form_post.refuses(lambda provider: None, code="provider_refused", status=400, token=0, response=edits)
    assert "<script" not in form_post.browsers[-1].history[-2].text
    assert form_post.provider.authorizations[0]["prompt"] == "none"


@pytest.mark.row("CK-13", "ST-12")
def test_the_cookie_survives_the_cross_site_post(form_post):
    """The normal flow of the Form Post plan: in a browser a SameSite=Lax cookie would be lost on the way."""
    _, browser = form_post.accepts()
    posted = next(page for page in browser.history if page.sent.method == "POST")
    assert posted.status == 303
    assert posted.sent.header("sec-fetch-site") == "cross-site"
    assert "__Host-" in posted.sent.header("cookie")


@pytest.mark.row("ST-12")
def test_an_answer_in_the_query_is_not_taken(form_post):
    browser = form_post.browser()
    answer = form_post.provider.respond(browser.start_login(DEEP_LINK))
    page = browser.navigate(f"{answer.url}?{answer.form}", initiator=form_post.provider.issuer)
    assert (page.status, codes_on(page)) == (405, ["method_not_allowed"])
    assert form_post.count("token") == 0
    assert form_post.seen == []


@pytest.mark.row("ST-13")
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [("x", "text/plain", 415), ("x", "multipart/form-data; boundary=x", 415), ("code=" + "x" * 70_000, "application/x-www-form-urlencoded", 413)],
)
def test_other_bodies_are_refused(form_post, body, content_type, status):
    browser = form_post.browser()
    browser.start_login(DEEP_LINK)
    page = browser.post_form("/oidc/callback", body, initiator=form_post.provider.issuer, headers={"content-type": content_type})
    assert page.status == status
    assert form_post.count("token") == 0
