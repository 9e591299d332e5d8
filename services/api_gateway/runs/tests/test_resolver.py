"""Names of orchestrators become addresses, and stay them while DNS is down."""

import ipaddress

import pytest

from services.api_gateway.runs.resolver import AddressResolver, look_up_by_system
from services.api_gateway.runs.tests.pods import Zone


async def test_a_name_stands_for_all_its_addresses() -> None:
    zone = Zone("10.0.0.1", "10.0.0.2", "fd00::1")
    resolver = AddressResolver(["coach:50051"], look_up=zone.look_up)
    found = {"10.0.0.1:50051", "10.0.0.2:50051", "[fd00::1]:50051"}
    assert await resolver.addresses() == found
    zone.addresses = {"10.0.0.3"}
    assert await resolver.addresses() == {"10.0.0.3:50051"}


async def test_addresses_are_never_looked_up() -> None:
    zone = Zone("10.0.0.1")
    final = ["127.0.0.1:1", "[::1]:2", "unix:/run/coach.sock"]
    resolver = AddressResolver(final, look_up=zone.look_up)
    assert await resolver.addresses() == set(final)
    assert zone.asked == []


async def test_a_name_that_is_not_answered_keeps_what_it_had() -> None:
    one, two = Zone("10.0.0.1"), Zone("10.0.0.2")
    zones = {"one": one, "two": two}
    resolver = AddressResolver(
        ["one:1", "two:1"], look_up=lambda host: zones[host].look_up(host)
    )
    assert await resolver.addresses() == {"10.0.0.1:1", "10.0.0.2:1"}
    one.is_down, two.addresses = True, {"10.0.0.3"}
    assert await resolver.addresses() == {"10.0.0.1:1", "10.0.0.3:1"}
    one.is_down, one.addresses = False, set()
    assert await resolver.addresses() == {"10.0.0.3:1"}


async def test_the_system_knows_this_host() -> None:
    found = await look_up_by_system("localhost")
    assert "127.0.0.1" in found
    assert all(ipaddress.ip_address(address).is_loopback for address in found)


@pytest.mark.parametrize("name", ["nobody.invalid", "no..body", "n" * 64])
async def test_the_system_refuses_a_name_that_does_not_exist(name: str) -> None:
    with pytest.raises(OSError, match=r"\S"):
        await look_up_by_system(name)


@pytest.mark.parametrize("name", ["", "localhost", ":50051", "host:port", '["a:1"]'])
def test_a_name_without_a_host_and_a_port_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        AddressResolver([name])
