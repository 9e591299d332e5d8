"""What is believed about the other end of a connection."""

from ipaddress import ip_network

import pytest
from starlette.requests import HTTPConnection

from services.api_gateway.peers import PeerPolicy

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def _connection(
    client: str = "192.0.2.1", scheme: str = "http", **headers: str
) -> HTTPConnection:
    return HTTPConnection(
        {
            "type": "websocket" if scheme.startswith("ws") else "http",
            "scheme": scheme,
            "client": (client, 5000),
            "headers": [
                (name.replace("_", "-").encode(), value.encode())
                for name, value in headers.items()
            ],
        }
    )


def _policy(external_url: str | None = None) -> PeerPolicy:
    return PeerPolicy(
        external_url=external_url,
        allowed_origins=("https://Other.example",),
        trusted_proxies=PROXIES,
    )


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("fd00::1", "2001:db8::9", "2001:db8::9"),
        ("10.0.0.1", "203.0.113.9:5000", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::9]:5000", "2001:db8::9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
    ],
)
def test_only_proxies_may_tell_the_address(
    client: str, forwarded: str, address: str
) -> None:
    connection = _connection(client, x_forwarded_for=forwarded)
    assert _policy().address(connection) == address


def test_without_proxies_nobody_may() -> None:
    policy = PeerPolicy(external_url=None, allowed_origins=(), trusted_proxies=())
    connection = _connection("127.0.0.1", x_forwarded_for="203.0.113.9")
    assert policy.address(connection) == "127.0.0.1"


@pytest.mark.parametrize(
    ("scheme", "origin", "is_allowed"),
    [
        ("http", "http://coach.test:8000", True),
        ("http", "http://COACH.test:8000", True),
        ("ws", "http://coach.test:8000", True),
        ("wss", "https://coach.test:8000", True),
        ("http", "https://other.example:443", True),
        ("http", "https://coach.test:8000", False),
        ("http", "http://coach.test", False),
        ("http", "http://coach.test:8000.evil.example", False),
        ("http", "http://coach.test:99999999", False),
        ("http", "null", False),
        ("http", "", False),
    ],
)
def test_the_own_origin_and_listed_ones_are_allowed(
    scheme: str, origin: str, *, is_allowed: bool
) -> None:
    connection = _connection(scheme=scheme, host="coach.test:8000", origin=origin)
    assert _policy().origin_is_allowed(connection) is is_allowed


def test_no_origin_and_no_host_match_nothing() -> None:
    assert not _policy().origin_is_allowed(_connection())
    assert not _policy().origin_is_allowed(_connection(origin="null", host=""))


def test_a_proxy_tells_that_the_browser_speaks_https() -> None:
    spoken = {"x_forwarded_proto": "https", "host": "coach.test"}
    assert _policy().is_secure(_connection("10.0.0.1", **spoken))
    assert not _policy().is_secure(_connection("192.0.2.1", **spoken))
    outside = _policy("https://coach.example")
    assert outside.is_secure(_connection(host="inner"))
    assert outside.origin_is_allowed(
        _connection(host="inner", origin="https://coach.example")
    )


@pytest.mark.parametrize(
    ("client", "addresses", "schemes", "is_secure"),
    [
        ("10.0.0.1", "203.0.113.9", "https", True),
        ("10.0.0.1", "203.0.113.9", "HTTPS", True),
        ("10.0.0.1", "203.0.113.9", "http, https", True),
        ("10.0.0.1", "203.0.113.9", "https, http", False),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "https, http", True),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "https, http, http", False),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "https", True),
        ("10.0.0.1", "", "https", True),
        ("10.0.0.1", "203.0.113.9", "gopher", False),
        ("192.0.2.1", "10.0.0.2", "https", False),
    ],
)
def test_the_outermost_trusted_proxy_tells_the_scheme(
    client: str, addresses: str, schemes: str, *, is_secure: bool
) -> None:
    connection = _connection(
        client, x_forwarded_for=addresses, x_forwarded_proto=schemes, host="coach.test"
    )
    assert _policy().is_secure(connection) is is_secure
