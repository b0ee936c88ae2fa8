"""Signed in, but not admitted: 403 with the reason and a way to come as somebody else; never a loop."""

import pytest

from tests.apps.kit import BASE_URL, Place, forms_on
from tests.conformance.party import assert_strict


@pytest.fixture
def place(framework):
    return Place(framework, allow=["boss@example.com", "group:owners"], public=["/public/*"])


@pytest.mark.row("AZ-05", "ER-01")
def test_page_with_the_reason_and_another_way_in(place):
    place.provider.user["name"] = "<script>alert(1)</script>"
    browser = place.browser()
    page = browser.login("/deep/x")
    assert (page.status, page.url) == (403, BASE_URL + "/deep/x")
    assert_strict(page)
    assert "<script" not in page.text
    assert "Sign in as someone else" in page.text
    assert place.diary.calls == []
    assert len(browser.history) == 3, "there was a loop"
    ((action, fields),) = forms_on(page)
    place.provider.user |= {"sub": "boss", "email": "boss@example.com", "name": "Boss"}
    landed = browser.post_form(action, fields, initiator=page.url)
    assert (landed.status, landed.url) == (200, BASE_URL + "/deep/x")
    assert place.provider.authorizations[-1]["prompt"] == "login"
    assert landed.json()["email"] == "boss@example.com"


@pytest.mark.row("AZ-05")
def test_programs_get_a_problem_document(place):
    browser = place.browser()
    browser.login("/who")
    problem = browser.fetch("/who")
    assert (problem.status, problem.header("content-type")) == (403, "application/problem+json")
    assert problem.json()["code"] == "not_allowed"
    assert_strict(problem)
    assert place.diary.calls == []


def test_public_paths_stay_open(place):
    browser = place.browser()
    browser.login("/who")
    assert browser.fetch("/public/info").json()["sub"] == "user-subject-1234531"


@pytest.mark.row("AZ-01")
def test_one_rule_suffices(place):
    place.provider.user["groups"] = ["staff", "owners"]
    assert place.browser().login("/who").status == 200


@pytest.mark.row("ID-34")
def test_an_unverified_address_admits_nobody(place):
    place.provider.user |= {"email": "boss@example.com", "email_verified": False}
    assert place.browser().login("/who").status == 403
    place.provider.user["email_verified"] = "true"
    assert place.browser().login("/who").status == 403


@pytest.mark.row("AZ-04")
def test_rules_are_asked_on_every_request(framework):
    admitted = {"user-subject-1234531"}
    place = Place(framework, allow=lambda user: user.identity in admitted)
    browser = place.signed_in()
    admitted.clear()
    assert browser.fetch("/who").status == 403
    admitted.add("user-subject-1234531")
    assert browser.fetch("/who").status == 200


@pytest.mark.row("AZ-05")
def test_signing_out_is_possible_without_access(place):
    browser = place.browser()
    browser.login("/who")
    browser.post_form("/oidc/logout", follow=False)
    assert browser.fetch("/who").status == 401
