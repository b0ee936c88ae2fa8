"""Every answer of ours: its headers, written out once more, and what it says to whom."""

import json
import logging

import pytest

from oidc_middleware.errors import LoginError, ProviderError, Unavailable
from oidc_middleware.flows.answers import empty, json_answer, page, problem, redirect, refuse, unexpected_error
from oidc_middleware.flows.effects import Report
from oidc_middleware.flows.messages import PassThrough
from oidc_middleware.identity import User
from oidc_middleware.pages import Page
from tests.flows.hand import Driver, party, request

STRICT = [("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"), ("X-Content-Type-Options", "nosniff"), ("Vary", "Cookie")]
NOTHING_RUNS = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
PROGRAM = {"accept": "application/json", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
COOKIES = ("a=1", "b=2")
SET = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]


@pytest.mark.row("CA-01", "ER-04")
@pytest.mark.parametrize(
    ("answer", "status", "typed", "length"),
    [
        (empty(405, headers=(("Allow", "GET"),), set_cookies=COOKIES), 405, ["text/plain; charset=utf-8", NOTHING_RUNS, ("Allow", "GET")], 0),
        (redirect("/x", set_cookies=COOKIES), 302, ["text/plain; charset=utf-8", NOTHING_RUNS, ("Location", "/x")], 0),
        (redirect("/x", status=303, set_cookies=COOKIES), 303, ["text/plain; charset=utf-8", NOTHING_RUNS, ("Location", "/x")], 0),
        (
            page(400, Page(b"<p>", "its policy"), headers=(("Retry-After", "5"),), set_cookies=COOKIES),
            400,
            ["text/html; charset=utf-8", ("Content-Security-Policy", "its policy"), ("Retry-After", "5")],
            3,
        ),
        (
            problem(503, code="c", title="t", headers=(("Retry-After", "5"),), set_cookies=COOKIES),
            503,
            ["application/problem+json", NOTHING_RUNS, ("Retry-After", "5")],
            65,
        ),
    ],
)
def test_the_headers_of_every_kind(answer, status, typed, length):
    content_type, *more = typed
    assert answer.status == status
    assert list(answer.headers) == [*STRICT, ("Content-Type", content_type), *more, ("Content-Length", str(length)), *SET]
    assert len(answer.body) == length


@pytest.mark.row("CA-01", "ER-04")
def test_a_document_about_the_session():
    answer = json_answer(200, {"a": "\xe4"})
    assert list(answer.headers) == [*STRICT, ("Content-Type", "application/json"), NOTHING_RUNS, ("Content-Length", str(len(answer.body)))]
    assert json.loads(answer.body) == {"a": "\xe4"}


def test_an_error_for_programs_is_the_one_of_rfc_9457():
    assert json.loads(problem(401, code="c", title="T.", login_url="/l").body) == {
        "type": "about:blank", "title": "T.", "status": 401, "code": "c", "login_url": "/l",
    }  # fmt: skip


@pytest.mark.row("ER-03")
def test_a_fault_of_ours_names_nothing():
    answer = unexpected_error("*/*")
    told = json.loads(answer.body)
    assert (answer.status, told["status"], told["code"], set(told)) == (500, 500, "internal_error", {"type", "title", "status", "code"})


def refused(error, *, site=True, **fields):
    rp, driver = party(title="The board"), Driver()
    options = {"return_to": fields.pop("return_to", None), "set_cookies": fields.pop("set_cookies", ())}
    answer = driver.run(refuse(error, request("/x", **fields), rp.sites.fixed if site else None, title=rp.settings.title, **options))
    [report] = [effect for effect in driver.effects if isinstance(effect, Report)]
    return answer, report


@pytest.mark.row("ER-01", "LG-04")
@pytest.mark.parametrize(
    ("error", "level", "retry_after"),
    [
        (LoginError("state_mismatch", "secret detail"), logging.WARNING, None),
        (ProviderError("jwks_invalid", "secret detail"), logging.ERROR, None),
        (Unavailable("provider_throttled", "secret detail", retry_after=17), logging.ERROR, "17"),
    ],
)
@pytest.mark.parametrize("fields", [{}, {"headers": PROGRAM}, {"kind": "websocket"}])
def test_a_refusal_carries_the_number_that_finds_its_line_in_the_log(error, level, retry_after, fields):
    answer, report = refused(error, set_cookies=COOKIES, **fields)
    headers, text = dict(answer.headers), answer.body.decode()
    assert (answer.status, report.event, report.level, report.code, report.detail) == (
        error.status,
        "request.refused",
        level,
        error.code,
        "secret detail",
    )
    assert (headers.get("Retry-After"), [item for item in answer.headers if item[0] == "Set-Cookie"]) == (retry_after, SET)
    assert len(report.correlation_id) == 12
    assert report.correlation_id in text
    assert error.code in text
    assert "secret detail" not in text
    if fields:
        assert json.loads(text) == {
            "type": "about:blank", "title": error.public, "status": error.status, "code": error.code, "correlation_id": report.correlation_id,
        }  # fmt: skip
    else:
        assert headers["Content-Type"].startswith("text/html")
        assert "The board" in text


def test_a_form_that_was_posted_is_answered_with_a_page():
    """It starts no login by itself, but a person looks at the answer."""
    headers = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": ["application/json", "text/html;q=0.9"]}
    answer, _ = refused(LoginError("state_mismatch"), method="POST", headers=headers)
    assert dict(answer.headers)["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.row("ER-01", "DS-07")
@pytest.mark.parametrize("code", ["transaction_expired", "login_loop"])
def test_a_page_leads_on_where_the_address_is_known(code):
    known = refused(LoginError(code), return_to="/deep?x=1")[0].body.decode()
    assert 'href="/oidc/login?return_to=%2Fdeep%3Fx%3D1"' in known
    nowhere = refused(LoginError("host_not_allowed"), site=False)[0].body.decode()
    assert "href=" not in nowhere


@pytest.mark.row("ER-03")
def test_a_person_gets_a_page_for_a_fault_of_ours():
    answer = unexpected_error("text/html,*/*;q=0.8")
    headers = dict(answer.headers)
    assert (answer.status, headers["Content-Type"], headers["Cache-Control"]) == (500, "text/html; charset=utf-8", "no-store")
    assert b"internal_error" in answer.body
    assert b"Sign-in did not work" not in answer.body, "it may have nothing to do with signing in"
    assert b"Nobody was signed in or out" in answer.body


@pytest.mark.row("LG-01")
def test_what_passes_between_a_shell_and_a_flow_prints_no_secret():
    asked = request("/x", cookie="session=secret", query="code=secret&state=secret", target="/x?code=secret", headers={"authorization": "secret"})
    answers = (
        PassThrough(User("https://op.example", "ada", '{"x":"secret"}'), ("session=secret",)),
        redirect("/x?code=secret", set_cookies=("a=secret",)),
    )
    shown = [repr(item) for item in (asked, *answers)]
    assert "secret" not in "".join(shown)
    assert "'/x'" in shown[0]
    assert "'ada'" in shown[1]
    assert "302" in shown[2]
