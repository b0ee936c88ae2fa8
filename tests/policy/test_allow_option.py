"""The option ``allow``: every form is read, every mistake is named, none of them means everyone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.errors import ConfigError
from oidc_middleware.identity import User
from oidc_middleware.policy.allow import AllowRules, problems

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.row("AZ-03", "CF-01")
@pytest.mark.parametrize(
    "option",
    [
        [],
        (),
        {},
        "",
        "everyone",
        "*",
        "@",
        "@*",
        "@*.example.com",
        "group:",
        "@example.com.",
        "ada@",
        "a@b@c",
        "\uff20example.com",
        [None],
        [[]],
        [["ada@example.com"]],
        1,
        True,
        False,
        b"ada@example.com",
        [""],
        {"emails": ["ada@example.com"]},
        {"email": []},
        {"domain": []},
        {"group": ()},
        {"claim": {}},
        {"claim": []},
        {"claim": {"a": []}},
        {"claim": {"a": None}},
        {"claim": {"a": [1.5]}},
        {"claim": {"": ["x"]}},
        {"claim": {1: ["x"]}},
        {"email": None},
        {"email": [1]},
        {"email": ["example.com"]},
        {"domain": [None]},
        {"domain": ["ada@example.com"]},
        {"domain": ["a" * 300]},
        {"group": [""]},
        {"group": [1]},
        {"group": None},
        {"waive_email_verified": True},
        {"email": ["ada@example.com"], "waive_email_verified": "yes"},
        {"email": ["ada@example.com"], "waive_email_verifed": True},
    ],
)
def test_a_rule_that_cannot_be_meant_is_a_problem_and_never_everyone(option):
    found = problems(option)
    assert found
    assert all(problem.startswith("allow: ") and problem.isprintable() for problem in found)
    with pytest.raises(ConfigError) as caught:
        AllowRules.from_option(option)
    assert caught.value.problems == tuple(found)


def test_every_mistake_is_named_once_and_cut():
    found = problems(["ada@example.com", "nobody", {"emails": 1, "email": ["x" * 9_999], "group": []}, [1]])
    assert len(found) == 5
    assert all(len(problem) < 400 for problem in found)


def test_a_rule_that_would_have_to_be_awaited_is_a_problem():
    async def rule(someone):
        return True

    class Rule:
        async def __call__(self, someone):
            return True

    assert "plain function" in problems(rule)[0]
    assert "plain function" in problems([Rule()])[0]
    assert problems(lambda someone: True) == []


@given(json_values)
def test_no_option_makes_reading_fail(option):
    found = problems(option)
    if found:
        with pytest.raises(ConfigError):
            AllowRules.from_option(option)
    else:
        AllowRules.from_option(option).check(User("i", "s", json.dumps({"email": "a@b"})))
