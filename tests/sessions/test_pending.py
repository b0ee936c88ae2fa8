"""Logins under way: each in a cookie of its own, a few at a time, and none of them good for another state."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oidc_middleware.errors import LoginError
from oidc_middleware.sessions import pending as module
from oidc_middleware.sessions.cookies import CookieNames
from oidc_middleware.sessions.pending import PendingLogin, PendingLogins, new_pending_login
from oidc_middleware.sessions.sealing import Keyring

PREFIX = "__Host-oidc_app_l_"
BROKEN, TWIN = PREFIX + "broken______", PREFIX + "twin________"


def refused(code, call, *arguments):
    with pytest.raises(LoginError) as caught:
        call(*arguments)
    assert caught.value.code == code
    return caught.value


def test_a_login_is_found_by_its_state(logins, begin, entropy, now, browser):
    one = begin(max_age=60, acr_values=("mfa", "pin"), iss_required=True)
    lines = logins.add("", one, entropy(), now)
    assert len(lines) == 1
    assert re.fullmatch(PREFIX + r"[A-Za-z0-9_-]{12}=[A-Za-z0-9_.-]+; Max-Age=4200; Path=/; HttpOnly; Secure; SameSite=Lax", lines[0])
    assert logins.take(browser(lines), one.state, now + 30) == one
    assert logins.peek_return_to(browser(lines), one.state) == "/reports?year=2026"
    assert browser([*lines, logins.clear(one.state)]) == ""


@pytest.mark.row("CK-13")
def test_a_form_post_needs_the_cookie_from_the_providers_page(names, keyring, begin, entropy, now):
    cross = PendingLogins(names, keyring, 600, 60, cross_site=True)
    one = begin()
    (line,) = cross.add("", one, entropy(), now)
    assert line.endswith("; Path=/; HttpOnly; Secure; SameSite=None")
    assert cross.clear(one.state).endswith("; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=None")


@pytest.mark.row("ST-08", "PK-01")
def test_tokens_are_256_bits_each_and_never_the_same(random):
    made = [new_pending_login(random(96), return_to="/", issuer="i", redirect_uri="r", created=0) for _ in range(200)]
    tokens = [token for one in made for token in (one.state, one.nonce, one.code_verifier)]
    assert len(set(tokens)) == 600
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


@pytest.mark.row("ST-08")
@pytest.mark.parametrize("length", [0, 32, 48, 95, 97, 99])
def test_a_source_that_gives_less_is_not_accepted(length):
    with pytest.raises(ValueError, match="32 random bytes"):
        new_pending_login(bytes(length), return_to="/", issuer="i", redirect_uri="r", created=0)


@pytest.mark.row("LG-01")
def test_secrets_are_not_printed(begin):
    one = begin()
    assert not any(secret in repr(one) for secret in (one.state, one.nonce, one.code_verifier))
    assert "/reports" in repr(one)


@pytest.mark.row("ST-02", "ST-03")
def test_a_state_that_began_elsewhere_is_unknown_and_ours_stays(logins, several, begin, now):
    header, (mine,) = several(1)
    refused("no_transaction", logins.take, header, begin().state, now)
    refused("no_transaction", logins.take, "", mine.state, now)
    assert logins.peek_return_to(header, begin().state) is None
    assert logins.take(header, mine.state, now) == mine


@pytest.mark.row("ST-03", "ST-04")
def test_a_cookie_under_the_name_of_another_state_is_a_mismatch(logins, several, now):
    header, (one, two) = several(2)
    first, second = header.split("; ")
    swapped = f"{first.partition('=')[0]}={second.partition('=')[2]}; {second.partition('=')[0]}={first.partition('=')[2]}"
    error = refused("state_mismatch", logins.take, swapped, one.state, now)
    assert one.state not in error.detail
    assert logins.peek_return_to(swapped, two.state) is None
    assert logins.take(header, two.state, now + 1) == two


@pytest.mark.row("ST-05", "CK-01")
def test_every_change_makes_a_login_unknown(logins, several, now):
    header, (one,) = several(1)
    for position in range(header.index("=") + 1, len(header)):
        for changed in (header[:position], header[:position] + header[position + 1 :], header[:position] + "A" + header[position:]):
            refused("no_transaction", logins.take, changed, one.state, now)
    assert logins.take(header, one.state, now) == one


@pytest.mark.row("ST-05", "CK-19")
def test_other_keys_purposes_and_formats_make_no_login(logins, names, keyring, foreign_keyring, several, now):
    header, (one,) = several(1)
    name = header.partition("=")[0]
    foreign = PendingLogins(names, foreign_keyring, 600, 60)
    refused("no_transaction", foreign.take, header, one.state, now)
    for purpose in ("session", "rounds", "csrf"):
        sealed = keyring.seal(purpose, module._encode(one), bytes(12))
        refused("no_transaction", logins.take, f"{name}={sealed}", one.state, now)
    for data in (b"", b"2" + module._encode(one)[1:], b"1[]", b"1{}", b"\x80\x04K\x01."):
        refused("no_transaction", logins.take, f"{name}={keyring.seal('login', data, bytes(12))}", one.state, now)


FIELDS = ["state", "nonce", "verifier", "/", "issuer", "uri", 1.0, None, [], False]


@pytest.mark.row("ST-05", "CK-25")
@pytest.mark.parametrize("position", range(10))
@pytest.mark.parametrize("value", ["NaN", "1e999", '{"a":1}', "[1]", '"\\ud800"'])
def test_every_field_is_checked(logins, keyring, position, value):
    parts = [json.dumps(field) for field in FIELDS]
    name = logins._name("state")
    right = ("1[" + ",".join(parts) + "]").encode()
    assert logins.take(f"{name}={keyring.seal('login', right, bytes(12))}", "state", 2).return_to == "/"
    parts[position] = value
    wrong = ("1[" + ",".join(parts) + "]").encode()
    refused("no_transaction", logins.take, f"{name}={keyring.seal('login', wrong, bytes(12))}", "state", 2)


@pytest.mark.row("CK-08")
def test_twins_make_no_login(logins, several, now):
    header, (one,) = several(1)
    refused("no_transaction", logins.take, f"{header}; {header}", one.state, now)
    assert logins.peek_return_to(f"{header}; {header}", one.state) is None


@pytest.mark.row("ST-07", "CK-18")
@pytest.mark.parametrize(
    ("age", "alive"), [(-61, False), (-60, True), (-1, True), (0, True), (599, True), (600, False), (601, False), (4_000, False)]
)
def test_the_time_allowed_is_exact_and_the_return_path_outlives_it(logins, several, now, age, alive):
    header, (one,) = several(1)
    if alive:
        assert logins.take(header, one.state, now + age) == one
    else:
        error = refused("transaction_expired", logins.take, header, one.state, now + age)
        assert "/reports" not in error.detail + repr(error)
    assert logins.peek_return_to(header, one.state) == "/reports?year=2026"


@pytest.mark.row("ST-11")
@pytest.mark.parametrize("state", ["", "é", "\x00", "\ud800", "x" * 1_000_000, "a=b; c", "\r\n"])
def test_a_hostile_state_is_unknown_and_no_crash(logins, several, now, state):
    header, _ = several(1)
    refused("no_transaction", logins.take, header, state, now)
    assert logins.peek_return_to(header, state) is None
    assert logins.clear(state).isascii()
    assert len(logins.clear(state)) < 120


@pytest.mark.row("ST-11")
def test_a_hostile_state_under_the_right_name_is_a_mismatch(logins, several, now, monkeypatch):
    header, (one,) = several(1)
    name = header.partition("=")[0]
    monkeypatch.setattr(logins, "_name", lambda state: name)
    for state in ("é", "\ud800", one.state + "x", ""):
        refused("state_mismatch", logins.take, header, state, now)
    assert logins.take(header, one.state, now) == one


@pytest.mark.row("CK-15")
def test_over_http_the_cookie_is_plain(keyring, begin, entropy, now):
    plain = PendingLogins(CookieNames("oidc_app", secure=False), keyring, 600, 60)
    (line,) = plain.add("", begin(), entropy(), now)
    assert line.startswith("oidc_app_l_")
    assert "Secure" not in line


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.builds(
        PendingLogin,
        state=texts,
        nonce=texts,
        code_verifier=texts,
        return_to=texts,
        issuer=texts,
        redirect_uri=texts,
        created=st.floats(allow_nan=False, allow_infinity=False),
        max_age=st.none() | st.integers(-(10**15), 10**15),
        acr_values=st.lists(texts).map(tuple),
        iss_required=st.booleans(),
    )
)
def test_what_was_encoded_decodes(login):
    assert module._decode(module._encode(login)) == login


@given(st.text() | st.lists(st.sampled_from([PREFIX, "a=", "=", "; ", ";", ".", "A", "~", " ", "\xa0"])).map("".join), st.text())
def test_no_header_and_no_state_make_it_fail(header, state):
    logins = PendingLogins(CookieNames("oidc_app", secure=True), Keyring(["s" * 32], "app"), 600, 60)
    with pytest.raises(LoginError) as caught:
        logins.take(header, state, 0)
    assert caught.value.code == "no_transaction"
    one = PendingLogin("s", "n", "v", "/", "i", "r", 0.0)
    assert logins.add(header, one, bytes(12), 0)[0].startswith(PREFIX)
    assert isinstance(logins.trim(header, state, 0, 0), tuple)
