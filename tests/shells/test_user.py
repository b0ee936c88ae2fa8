"""The user as applications see it, whatever the provider put into the claims."""

import json

import pytest

from oidc_middleware import asgi
from oidc_middleware.identity import ANONYMOUS, User


@pytest.fixture(params=[User, asgi.User])
def make(request):
    return lambda scopes=(), **claims: request.param("https://op.example", "ada-1", json.dumps(claims), scopes)


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        ({"name": "Ada L", "preferred_username": "ada", "email": "ada@example.com"}, "Ada L"),
        ({"name": "", "preferred_username": "ada", "email": "ada@example.com"}, "ada"),
        ({"name": None, "preferred_username": ["ada"], "email": "ada@example.com"}, "ada@example.com"),
        ({"name": 7, "preferred_username": True, "email": ""}, "ada-1"),
        ({}, "ada-1"),
    ],
)
def test_the_friendliest_name_that_is_one(make, claims, shown):
    assert make(**claims).display_name == shown


@pytest.mark.parametrize(
    ("email", "seen"), [("ada@example.com", "ada@example.com"), ("", None), (None, None), (["ada@example.com"], None), (7, None)]
)
def test_an_address_is_text_or_there_is_none(make, email, seen):
    assert make(email=email).email == seen


@pytest.mark.row("AZ-01")
@pytest.mark.parametrize(
    ("groups", "seen"),
    [(["a", "b"], ("a", "b")), ([], ()), ("admins", ()), (None, ()), (["a", 7], ()), ([7, "a"], ()), ([["a"]], ()), ({"a": 1}, ())],
)
def test_groups_are_an_array_of_texts_or_none_at_all(make, groups, seen):
    assert make(groups=groups).groups == seen
    assert make().groups == ()


@pytest.mark.row("AS-04")
def test_nobody_can_change_a_user(make):
    user = make(("openid",), groups=["a"], address={"city": "x"}, list=[{"a": [1]}])
    for name in ("identity", "issuer", "scopes", "_claims", "_claims_json", "auth", "surprise"):
        with pytest.raises(AttributeError):
            setattr(user, name, "root")
    for name in ("identity", "issuer", "scopes"):
        with pytest.raises(AttributeError):
            delattr(user, name)
    with pytest.raises(TypeError):
        user.claims["sub"] = "root"
    with pytest.raises(TypeError):
        user.claims["address"]["city"] = "y"
    with pytest.raises(TypeError):
        user.claims["list"][0]["a"] = ()
    assert not hasattr(user, "__dict__") or vars(user) == {}
    assert (user.identity, user.issuer, user.scopes, user.claims["address"]["city"]) == ("ada-1", "https://op.example", ("openid",), "x")
    assert user.claims is user.claims, "decoded once"


def test_somebody_and_nobody(make):
    assert make().is_authenticated
    assert repr(make()).endswith("'ada-1' at 'https://op.example'>")
    assert not ANONYMOUS.is_authenticated
    assert (ANONYMOUS.identity, ANONYMOUS.display_name, ANONYMOUS.email, ANONYMOUS.groups, ANONYMOUS.scopes) == ("", "", None, (), ())
    assert repr(ANONYMOUS) == "<User anonymous>"


def test_what_starlette_may_ask():
    user = asgi.User("https://op.example", "ada-1", "{}", ("openid", "email"))
    assert list(user.auth.scopes) == ["authenticated", "openid", "email"]
    assert list(asgi.User("", "", "{}", ("openid",)).auth.scopes) == []
