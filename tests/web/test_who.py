import pytest

from twinhelm.core.errors import BadInput
from twinhelm.web.who import HostRule, is_loopback, listen_address, split_host

LOCAL = HostRule("127.0.0.1", frozenset({"helm.example"}))
WIDE = HostRule("0.0.0.0", frozenset({"helm.example"}))  # noqa: S104 - it is what is tested


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:9700", ("127.0.0.1", 9700)),
        ("[::1]:1", ("::1", 1)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_a_listen_address_is_split(listen, address):
    assert listen_address(listen) == address


@pytest.mark.parametrize(
    "listen", ["", "9700", ":9700", "::1:9700", "a:b", "a:70000", "a:-1", "[]:1"]
)
def test_a_bad_listen_address_is_refused(listen):
    with pytest.raises(BadInput, match="listen"):
        listen_address(listen)


def test_loopback_is_known():
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org"))  # noqa: S104


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:9700", "[::1]:9700", "helm.example:80"]
)
def test_a_loopback_server_answers_to_its_own_names(host):
    assert LOCAL.answers_to(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "[::1",
        "a:b:c",
    ],
)
def test_a_loopback_server_answers_to_no_other_name(host):
    assert not LOCAL.answers_to(host)


def test_a_wide_server_answers_to_addresses_and_allowed_names():
    assert WIDE.answers_to("10.1.2.3:9700")
    assert WIDE.answers_to("[2001:db8::1]:9700")
    assert WIDE.answers_to("helm.example")
    assert not WIDE.answers_to("evil.example")


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("http://127.0.0.1:9700", "127.0.0.1:9700", True),
        ("https://helm.example", "helm.example", True),
        ("https://helm.example", "localhost:9700", True),
        ("http://127.0.0.1:3000", "127.0.0.1:9700", False),
        ("http://localhost:9700", "127.0.0.1:9700", False),
        ("http://evil.example", "127.0.0.1:9700", False),
        ("https://helm.example:3000", "localhost:9700", False),
        ("null", "127.0.0.1:9700", False),
        ("file://", "127.0.0.1:9700", False),
        ("", "", False),
    ],
)
def test_only_our_own_pages_may_change_things(origin, host, may):
    assert LOCAL.may_come_from(origin, host) is may


def test_an_unreadable_host_has_no_name():
    assert split_host("a:b") == ("", None)
    assert split_host("[::1]x") == ("", None)
    assert split_host("Example.ORG.:80") == ("example.org", 80)
