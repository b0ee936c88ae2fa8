"""Allow rules: exact about types and values; whoever no rule names stays outside."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.identity import ANONYMOUS, User
from oidc_middleware.policy.allow import NO_GROUPS, NO_RULE, NOT_SIGNED_IN, NOT_VERIFIED, AllowRules, Denial

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def user(**claims):
    return User("https://login.example.com", "ada", json.dumps(claims))


def verdict(option, **claims):
    denial = AllowRules.from_option(option).check(user(**claims))
    return None if denial is None else denial.reason


def test_without_rules_everyone_who_can_log_in_may_come_in():
    assert verdict(None) is None
    assert AllowRules.from_option(None).check(ANONYMOUS) == Denial(NOT_SIGNED_IN)
    assert AllowRules.from_option(None).claims == frozenset()


@pytest.mark.row("AZ-03", "ER-05")
@pytest.mark.parametrize("option", ["ada@example.com", "@example.com", "group:admins", {"claim": {"a": [True]}}, lambda someone: True])
def test_nobody_is_nobody(option):
    assert AllowRules.from_option(option).check(ANONYMOUS) == Denial(NOT_SIGNED_IN)


@pytest.mark.parametrize(
    "option",
    [
        "ada@example.com",
        "Ada@Example.COM",
        "@example.com",
        "@EXAMPLE.com",
        ["bob@example.com", "ada@example.com"],
        {"email": "ada@example.com"},
        {"email": ["ada@example.com"]},
        {"domain": "example.com"},
        {"domain": ("@example.com",)},
        {"group": ["x"], "domain": ["example.com"]},
        ["group:x", {"email": ["ada@example.com"]}],
    ],
)
@pytest.mark.parametrize("email", ["ada@example.com", "Ada@example.com", "ada@EXAMPLE.com"])
def test_an_address_that_is_named_comes_in_when_it_is_verified(option, email):
    assert verdict(option, email=email, email_verified=True) is None
    assert verdict(option, email=email) == NOT_VERIFIED
    assert verdict(option, email="eve@evil.example", email_verified=True) in (NO_RULE, NO_GROUPS)


@pytest.mark.row("AZ-02")
@pytest.mark.parametrize("verified", [None, False, "true", "True", 1, 1.0, "yes", [True], {"value": True}])
def test_only_true_is_verified(verified):
    assert verdict("ada@example.com", email="ada@example.com", email_verified=verified) == NOT_VERIFIED
    assert verdict("@example.com", email="ada@example.com", email_verified=verified) == NOT_VERIFIED
    waived = {"domain": ["example.com"], "waive_email_verified": True}
    assert verdict(waived, email="ada@example.com", email_verified=verified) is None
    assert verdict(waived, email="ada@evil.example", email_verified=True) == NO_RULE


def test_a_waiver_is_for_the_rules_beside_it():
    option = [{"email": ["ada@example.com"], "waive_email_verified": True}, "@example.org", {"domain": "example.net", "waive_email_verified": False}]
    assert verdict(option, email="ada@example.com") is None
    assert verdict(option, email="ada@example.org") == NOT_VERIFIED
    assert verdict(option, email="ada@example.net") == NOT_VERIFIED
    assert verdict(option, email="ada@example.net", email_verified=True) is None


@pytest.mark.row("AZ-02")
@pytest.mark.parametrize(
    "email",
    [
        "a@evil.example@example.com",
        '"a@example.com"@evil.example',
        "a@example.com@evil.example",
        '"a@evil.example"@example.com',
        "a@example.com.",
        "a@.example.com",
        "a@example..com",
        "a@sub.example.com",
        "a@notexample.com",
        "a@example.com.evil.example",
        "a@example.comx",
        "a\uff20example.com",
        "a\ufe6bexample.com",
        "a@evil.example\uff20example.com",
        "a\uff20evil.example@example.com",
        "a@example\uff0ecom",
        "a@example\u3002com",
        "a@e\u0445ample.com",
        "a@ex\u0430mple.com",
        "a@\u24d4xample.com",
        "a@exa\u1d50ple.com",
        "a@example.com\x00",
        "a@example.com ",
        " a@example.com",
        "a b@example.com",
        "a\t@example.com",
        "a@example.com\n",
        "a@\nexample.com",
        "a,b@example.com",
        "<a@example.com>",
        "a@[example.com]",
        "a(comment)@example.com",
        "a@example.com(comment)",
        "a;b@example.com",
        "a:b@example.com",
        "a\\@example.com",
        "a\u200b@example.com",
        "a\u202e@example.com",
        "a\ud800@example.com",
        "a@example.com/",
        "a@-example.com",
        "a@example-.com",
        "a@example_.com",
        "@example.com",
        "a@",
        "@",
        "",
        "example.com",
        "a" * 65 + "@example.com",
        "a" * 400 + "@example.com",
        None,
        True,
        1,
        ["a@example.com"],
        {"a@example.com": 1},
        [],
    ],
)
def test_no_disguise_of_an_address_gets_past_a_domain(email):
    rules = [{"domain": ["example.com"], "waive_email_verified": True}, {"domain": ["example.com"]}]
    for option in rules:
        assert verdict(option, email=email, email_verified=True) == NO_RULE
    assert verdict(rules, email="a@example.com", email_verified=True) is None


@pytest.mark.row("AZ-02")
def test_equal_spellings_of_a_letter_are_equal_and_look_alikes_are_not():
    option = ["andr\u00e9@example.com", "@m\u00fcnchen.example", "kate@example.org"]
    assert verdict(option, email="andre\u0301@example.com", email_verified=True) is None
    assert verdict(option, email="ANDR\u00c9@example.com", email_verified=True) is None
    assert verdict(option, email="andre@example.com", email_verified=True) == NO_RULE
    assert verdict(option, email="ada@mu\u0308nchen.example", email_verified=True) is None
    assert verdict(option, email="ada@munchen.example", email_verified=True) == NO_RULE
    assert verdict(option, email="ada@xn--mnchen-3ya.example", email_verified=True) == NO_RULE
    assert verdict(option, email="\u212aate@example.org", email_verified=True) == NO_RULE
    assert verdict(option, email="\uff4bate@example.org", email_verified=True) == NO_RULE


@pytest.mark.row("AZ-01")
@pytest.mark.parametrize("option", ["group:admins", {"group": "admins"}, {"group": ["admins"]}, ["group:x", "group:admins"]])
def test_a_group_is_an_entry_of_an_array_of_texts(option):
    assert verdict(option, groups=["users", "admins"]) is None
    assert verdict(option, groups=["admins", "admins"]) is None
    for groups in (
        ["users"],
        [],
        ["Admins"],
        ["ADMINS"],
        [" admins"],
        ["admins "],
        ["admin"],
        ["adminsx"],
        ["\uff41dmins"],
        "admins",
        "x admins y",
        "x,admins",
    ):
        assert verdict(option, groups=groups) == NO_RULE
    for groups in (1, True, {"admins": True}, [["admins"]], [{"name": "admins"}], ["admins", 1], ["admins", None], [1, 2]):
        assert verdict(option, groups=groups) == NO_RULE
    assert verdict(option) == NO_GROUPS
    assert verdict(option, groups=None) == NO_GROUPS


@pytest.mark.row("AZ-01")
def test_a_group_is_compared_as_it_is_written():
    assert verdict("group:caf\u00e9", groups=["caf\u00e9"]) is None
    assert verdict("group:caf\u00e9", groups=["cafe\u0301"]) == NO_RULE
    for letter in "admins":
        assert verdict({"group": [letter]}, groups="admins") == NO_RULE


@pytest.mark.row("AZ-01")
@pytest.mark.parametrize("elsewhere", [{"groups": "src1"}, "groups", ["groups"], True, 1])
def test_groups_that_are_kept_elsewhere_are_missing(elsewhere):
    sources = {"_claim_names": elsewhere, "_claim_sources": {"src1": {"endpoint": "https://evil.example"}}}
    assert verdict("group:admins", **sources) == NO_GROUPS
    assert verdict("group:admins", groups=["admins"], **sources) == NO_GROUPS
    assert verdict({"claim": {"groups": ["admins"]}}, groups=["admins"], **sources) == NO_RULE


@pytest.mark.row("AZ-01")
def test_other_claims_kept_elsewhere_do_not_matter():
    assert verdict("group:admins", groups=["admins"], _claim_names={"address": "src1"}) is None
    assert verdict("@example.com", email="a@example.com", email_verified=True, _claim_names={"email": "src1"}) == NO_RULE
    assert verdict("@example.com", email="a@example.com", email_verified=True, _claim_names={"email_verified": "src1"}) == NOT_VERIFIED


@pytest.mark.row("AZ-01")
def test_a_claim_is_compared_with_its_type():
    option = {"claim": {"department": ["r&d", "it"], "level": [1], "staff": True}}
    for claims in (
        {"department": "r&d"},
        {"department": ["x", "it"]},
        {"level": 1},
        {"level": [2, 1]},
        {"staff": True},
        {"department": "x", "level": 1},
    ):
        assert verdict(option, **claims) is None
    refused = [
        {},
        {"department": "R&D"},
        {"department": "r"},
        {"department": "it, r&d"},
        {"department": {"it": 1}},
        {"department": [["it"]]},
        {"department": None},
    ]
    refused += [
        {"level": True},
        {"level": "1"},
        {"level": 1.0},
        {"level": [True]},
        {"staff": 1},
        {"staff": "true"},
        {"staff": False},
        {"Department": "it"},
    ]
    for claims in refused:
        assert verdict(option, **claims) == NO_RULE


def test_a_callable_must_say_true():
    assert verdict(lambda someone: someone.identity == "ada" and someone.claims["x"] == 1, x=1) is None
    for answer in (False, None, 1, "yes", [1], object()):
        assert verdict(lambda someone, answer=answer: answer) == NO_RULE
    assert verdict([lambda someone: False, lambda someone: True]) is None
    assert verdict(["@example.com", lambda someone: False], email="a@example.com") == NOT_VERIFIED


def test_a_callable_that_raises_lets_nobody_in():
    def rule(someone):
        raise KeyError("department")

    with pytest.raises(KeyError):
        verdict(rule)
    assert verdict(["group:admins", rule], groups=["admins"]) is None


def test_the_claims_that_a_session_has_to_keep():
    def claims(option):
        return AllowRules.from_option(option).claims

    assert claims("@example.com") == {"email", "email_verified"}
    assert claims(["group:x", {"claim": {"department": "it"}}]) == {"groups", "department"}
    assert claims(lambda someone: True) == frozenset()


@pytest.mark.row("AZ-04")
def test_the_verdict_follows_the_claims_not_an_earlier_verdict():
    rules = AllowRules.from_option("group:admins")
    assert rules.check(user(groups=["admins"])) is None
    assert rules.check(user(groups=["users"])) == Denial(NO_RULE)
    assert rules.check(user(groups=["admins"])) is None


RULES = AllowRules.from_option(["ada@example.com", "@example.org", "group:admins", {"claim": {"department": ["it", 1, True]}}])


@given(
    st.dictionaries(
        st.sampled_from(["email", "email_verified", "groups", "department", "_claim_names"]),
        json_values | st.just("ada@example.com") | st.just(["admins"]),
    )
)
def test_no_claims_make_the_check_fail_and_only_named_accounts_come_in(claims):
    someone = User("i", "s", json.dumps(claims))
    denial = RULES.check(someone)
    named = (
        (isinstance(claims.get("email"), str) and claims.get("email_verified") is True)
        or (isinstance(claims.get("groups"), list) and "admins" in claims["groups"])
        or claims.get("department") in ("it", 1)
        or (isinstance(claims.get("department"), list) and any(item in ("it", 1) for item in claims["department"] if isinstance(item, (str, int))))
    )
    assert denial is not None or named
    assert denial is None or denial.reason in (NO_RULE, NO_GROUPS, NOT_VERIFIED)
