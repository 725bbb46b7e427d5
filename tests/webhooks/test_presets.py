from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from dskity.bus.errors import InvalidInput, InvalidPayload, InvalidSettings, Unauthenticated
from dskity.modules.webhooks import PRESETS, WebhookOptions
from dskity.modules.webhooks.presets import Delivered, Preset
from tests.webhooks import signing
from tests.webhooks.signing import KEY, NOW, SECRET, mac


def preset(name: str, **options: object) -> Preset:
    given = {"secret": () if name == "none" else (SECRET,)} | options
    return PRESETS[name](WebhookOptions(name, "t", **given))  # type: ignore[arg-type]  # of a test


def test_a_signature_of_githubs_own_example_verifies() -> None:
    """From GitHub's documentation, "Validating webhook deliveries"."""
    headers = {
        "x-hub-signature-256": (
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        ),
        "x-github-event": "push",
        "x-github-delivery": "d",
    }
    github = preset("github", secret=("It's a Secret to Everybody",))
    assert github.verify(headers, b"Hello, World!", NOW) == Delivered(
        "d", "push", {"event": "push"}
    )


def test_a_signature_of_the_standards_own_example_verifies() -> None:
    """From the Standard Webhooks specification's reference libraries."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    standard = preset("standard", secret=("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",))
    body = b'{"test": 2432232314}'
    found = standard.verify(headers, body, 1614265330)
    assert found == Delivered("msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook")


def test_a_signature_of_slacks_own_example_verifies() -> None:
    """From Slack's documentation, "Verifying requests from Slack"."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": (
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        ),
    }
    slack = preset("slack", secret=("8f742231b10e8888abcd99yyyzzz85a5",))
    assert slack.verify(headers, body, 1531420618) == Delivered(None, "interaction")


SIGNED: dict[str, tuple[Callable[[bytes], dict[str, str]], dict[str, object]]] = {
    "github": (signing.github, {}),
    "stripe": (signing.stripe, {}),
    "standard": (signing.standard, {"secret": (f"whsec_{KEY}",)}),
    "slack": (signing.slack, {}),
    "hmac": (
        lambda body: {"x-sig": "sha256:" + mac(SECRET.encode(), body).hex().upper(), "x-id": "d"},
        {"header": "X-Sig", "prefix": "sha256:", "id_header": "X-Id"},
    ),
    "token": (
        lambda body: {"x-gitlab-token": SECRET, "x-gitlab-event-uuid": "d"},
        {"header": "X-Gitlab-Token", "id_header": "X-Gitlab-Event-UUID"},
    ),
}
BODY = b'{"id": "evt_1", "type": "invoice.paid", "event_id": "Ev1"}'
IDS = {"github": "d-1", "stripe": "evt_1", "standard": "msg_1", "slack": "Ev1"}


def test_every_preset_is_tested_here() -> None:
    """But `none`, which verifies nothing."""
    assert set(SIGNED) | {"none"} == set(PRESETS)


@pytest.mark.parametrize("name", SIGNED)
def test_a_genuine_delivery_has_its_id_and_type(name: str) -> None:
    """Whatever the sender calls them."""
    sign, options = SIGNED[name]
    found = preset(name, **options).verify(sign(BODY), BODY, NOW)
    assert found.id == IDS.get(name, "d")
    assert found.type == ("push" if name == "github" else "invoice.paid")


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("forgery", ["no headers", "empty headers", "garbage", "other secret"])
def test_a_forged_delivery_is_refused_without_detail(name: str, forgery: str) -> None:
    """One text for every reason."""
    sign, options = SIGNED[name]
    verifying = preset(name, **options)
    headers = sign(BODY)
    if forgery == "no headers":
        headers = {}
    elif forgery == "empty headers":
        headers = dict.fromkeys(headers, "")
    elif forgery == "garbage":
        headers = dict.fromkeys(headers, "t=é,v1=\udcff,=,,v1 ,")
    else:
        verifying = preset(name, **options | {"secret": (base64.b64encode(b"other").decode(),)})
    with pytest.raises(Unauthenticated) as refused:
        verifying.verify(headers, BODY, NOW)
    assert str(refused.value) == "the webhook's signature is not accepted"


@pytest.mark.parametrize("name", sorted(set(SIGNED) - {"token"}))
def test_a_changed_body_is_refused(name: str) -> None:
    """By one byte; a bare token cannot tell."""
    sign, options = SIGNED[name]
    with pytest.raises(Unauthenticated):
        preset(name, **options).verify(sign(BODY), BODY + b" ", NOW)


@pytest.mark.parametrize("name", SIGNED)
def test_any_of_several_secrets_is_accepted(name: str) -> None:
    """While the sender changes from one to the other."""
    sign, options = SIGNED[name]
    old = options.get("secret", (SECRET,))
    assert isinstance(old, tuple)
    new = base64.b64encode(b"new").decode()
    for order in ((new, *old), (*old, new)):
        preset(name, **options | {"secret": order}).verify(sign(BODY), BODY, NOW)


@pytest.mark.parametrize("name", ["stripe", "standard", "slack"])
def test_a_stale_delivery_is_refused(name: str) -> None:
    """300 seconds either way, where the scheme has a time; the window can be set."""
    sign, options = SIGNED[name]
    verifying = preset(name, **options)
    verifying.verify(sign(BODY), BODY, NOW + 300)
    for now in (NOW + 301, NOW - 301):
        with pytest.raises(Unauthenticated):
            verifying.verify(sign(BODY), BODY, now)
    preset(name, **options, tolerance_seconds=1000).verify(sign(BODY), BODY, NOW + 301)


def test_hmac_takes_the_algorithm_and_the_encoding() -> None:
    """As the sender documents them."""
    signature = base64.b64encode(mac(SECRET.encode(), BODY, "sha1")).decode()
    shopify = preset("hmac", header="X-Sig", algorithm="sha1", encoding="base64")
    assert shopify.verify({"x-sig": signature}, BODY, NOW) == Delivered(None, "invoice.paid")


def test_senders_without_a_scheme_can_name_headers_for_id_and_type() -> None:
    """Without, the body's `type` counts, and no id can be known."""
    named = preset("none", id_header="X-Id", type_header="X-Type")
    assert named.verify({"x-id": "1", "x-type": "t"}, b"", NOW) == Delivered("1", "t")
    assert preset("none").verify({}, b"\xff", NOW) == Delivered(None, "webhook")
    assert preset("none").verify({}, b'{"type": 7}', NOW) == Delivered(None, "webhook")
    with pytest.raises(InvalidInput, match="'x-id'"):
        named.verify({"x-type": "t"}, b"", NOW)


def test_slack_is_answered_its_challenge() -> None:
    """Which is how it checks a new URL; events carry their own type inside."""
    slack = preset("slack")
    challenge = b'{"type": "url_verification", "challenge": "c-1"}'
    found = slack.verify(signing.slack(challenge), challenge, NOW)
    assert found.answer == {"challenge": "c-1"}
    event = b'{"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}}'
    assert slack.verify(signing.slack(event), event, NOW) == Delivered("Ev1", "message")


def test_a_genuine_delivery_that_lacks_what_it_must_have_is_bad_input() -> None:
    """The sender is told, for it is the sender."""
    headers = signing.github(BODY)
    del headers["x-github-delivery"]
    with pytest.raises(InvalidInput, match="x-github-delivery"):
        preset("github").verify(headers, BODY, NOW)
    for body, says in ((b"[", "not JSON"), (b"[]", "not a JSON object"), (b"{}", "'id'")):
        with pytest.raises(InvalidPayload, match=says):
            preset("stripe").verify(signing.stripe(body), body, NOW)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("github", {"secret": ()}, "secret: preset github needs one"),
        ("token", {"secret": ("a", ""), "header": "x"}, "none may be empty"),
        ("standard", {"secret": ("whsec_not base64",)}, "secret: not base64"),
        ("hmac", {}, "header: preset hmac needs"),
        ("token", {}, "header: preset token needs"),
        ("hmac", {"header": "x", "algorithm": "rot13"}, "algorithm: 'rot13'"),
        ("hmac", {"header": "x", "algorithm": "shake_128"}, "algorithm: 'shake_128'"),
        ("hmac", {"header": "x", "encoding": "utf-8"}, "encoding: 'utf-8'"),
        ("none", {"secret": ("s",)}, "secret: preset none checks nothing"),
    ],
)
def test_bad_options_name_their_key(name: str, options: dict[str, object], says: str) -> None:
    """And no message shows a secret."""
    with pytest.raises(InvalidSettings, match=says) as refused:
        preset(name, **options)
    assert "not base64" not in str(refused.value).replace("secret: not base64", "")


def test_no_secret_is_shown() -> None:
    """Neither by options nor by presets."""
    options = WebhookOptions("github", "t", secret=(SECRET,))
    assert SECRET not in repr(options)
    for name, (_, given) in SIGNED.items():
        shown = repr(preset(name, **given))
        assert SECRET not in shown
        assert KEY not in shown
