"""A model's endpoint leads to where the operator allows, and the key no further."""

from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest

from libs.crewspec.compiled import ModelDocument
from services.orchestrator.config import Config
from services.orchestrator.errors import LLMAddressRefusedError, LLMUnavailableError
from services.orchestrator.runtime.llm.addresses import AddressPolicy, Network
from services.orchestrator.runtime.llm.openai_compatible import OpenAICompatibleLLM
from services.orchestrator.runtime.tests.scripted_model import Reply, ScriptedModel

_HELLO = Reply(pieces=("Hello",))
_MESSAGES = [{"role": "user", "content": "Hello"}]


class _Names:
    """A resolver that gives one answer after the other; the last one repeats."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


async def _allowed(
    host: str, *found: str, loopback: bool = True, networks: tuple[Network, ...] = ()
) -> list[str]:
    policy = AddressPolicy(allows_loopback=loopback, networks=networks)
    try:
        return await policy.addresses(host, 443, _Names(found))
    except LLMAddressRefusedError:
        return []


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
        "0.0.0.1", "127.0.0.1", "127.8.8.8", "224.0.0.1", "255.255.255.255",
        "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1",
        "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2001:db8::1", "fec0::1", "::7f00:1",
        "::ffff:0:7f00:1", "5f00::1",
    ],
)  # fmt: skip
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    assert await _allowed("models.example", address) == []


@pytest.mark.parametrize("address", ["104.18.6.192", "2606:4700::6812:7c0"])
async def test_public_addresses_are_open(address: str) -> None:
    assert await _allowed("models.example", address) == [address]
    assert await _allowed(address) == [address]


async def test_of_a_name_with_both_only_what_is_allowed_is_connected_to() -> None:
    found = await _allowed("models.example", "10.0.0.1", "104.18.6.192", "::1")
    assert found == ["104.18.6.192"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
async def test_this_machine_has_to_be_meant(host: str) -> None:
    found = ("::1", "127.0.0.1") if host == "localhost" else ()
    assert await _allowed(host, *found) == list(found or (host,))
    assert await _allowed(host, *found, loopback=False) == []
    listed = _networks("127.0.0.0/8", "::1/128")
    assert await _allowed(host, *found, loopback=False, networks=listed)


@pytest.mark.parametrize(
    "host",
    ["::7f00:1", "::ffff:0:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1"],
)
async def test_what_a_relay_may_turn_into_loopback_is_refused(host: str) -> None:
    assert await _allowed(host) == []


async def test_localhost_is_nothing_but_loopback() -> None:
    assert await _allowed("localhost", "104.18.6.192", "10.0.0.1") == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost."])
async def test_other_spellings_of_loopback_are_names(host: str) -> None:
    assert await _allowed(host, "127.0.0.1") == []


async def test_a_listed_network_is_open() -> None:
    listed = _networks("10.0.0.0/8")
    assert await _allowed("vllm.models", "10.1.2.3", networks=listed) == ["10.1.2.3"]
    assert await _allowed("vllm.models", "::ffff:10.1.2.3", networks=listed)
    assert await _allowed("vllm.models", "192.168.0.1", networks=listed) == []


async def test_the_api_server_is_no_model_unless_listed_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    wide, own = _networks("10.0.0.0/8"), _networks("10.96.0.1/32")
    assert await _allowed("kubernetes.default", "10.96.0.1", networks=wide) == []
    assert await _allowed("10.96.0.1", networks=wide) == []
    assert await _allowed("10.96.0.1", networks=own) == ["10.96.0.1"]


def _at(server: ScriptedModel, host: str, **changes: object) -> ModelDocument:
    """The server's document, by another host's name."""
    document = server.document()
    endpoint = (document.endpoint or "").replace("127.0.0.1", host)
    return server.document(endpoint=endpoint, max_retries=0, **changes)


async def test_a_name_that_changes_its_mind_is_judged_again(tmp_path: Path) -> None:
    """DNS rebinding: the address that was judged is the one connected to."""
    key = tmp_path / "key"
    key.write_text("sk-secret")
    names = _Names(("127.0.0.1",), ("10.0.0.1",))
    policy = AddressPolicy(networks=_networks("127.0.0.1/32"))
    # A connection that is not kept: the next call has to ask for the name again.
    body = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\ndata: [DONE]\n\n'
    once = Reply(body=body, headers={"connection": "close"})
    async with ScriptedModel(once) as server:
        llm = OpenAICompatibleLLM(
            _at(server, "models.example", api_key_file=str(key)),
            addresses=policy,
            resolve=names,
        )
        assert (await llm.complete(_MESSAGES, [], lambda _: None)).text == "Hi"
        with pytest.raises(LLMAddressRefusedError) as refused:
            await llm.complete(_MESSAGES, [], lambda _: None)
        await llm.aclose()
    assert names.asked == ["models.example"] * 2
    assert server.headers[0]["host"].startswith("models.example:")
    assert len(server.requests) == 1
    assert not refused.value.retryable
    assert "10.0.0.1" not in refused.value.detail


async def test_nothing_is_sent_to_a_refused_address(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-secret")
    async with ScriptedModel(_HELLO) as server:
        llm = OpenAICompatibleLLM(
            _at(server, "models.example", api_key_file=str(key)),
            resolve=_Names(("127.0.0.1",)),
        )
        with pytest.raises(LLMAddressRefusedError):
            await llm.complete(_MESSAGES, [], lambda _: None)
    assert server.connections == 0


async def test_a_name_without_an_address_is_unavailable() -> None:
    async def nowhere(host: str, _port: int) -> Sequence[str]:
        raise OSError(host)

    async with ScriptedModel(_HELLO) as server:
        llm = OpenAICompatibleLLM(_at(server, "models.example"), resolve=nowhere)
        with pytest.raises(LLMUnavailableError) as failed:
            await llm.complete(_MESSAGES, [], lambda _: None)
    assert failed.value.retryable


async def test_the_next_address_is_tried_when_one_is_dead() -> None:
    policy = AddressPolicy(networks=_networks("127.0.0.0/8"))
    async with ScriptedModel(_HELLO) as server:
        llm = OpenAICompatibleLLM(
            _at(server, "models.example"),
            addresses=policy,
            resolve=_Names(("127.0.0.2", "127.0.0.1")),
        )
        assert (await llm.complete(_MESSAGES, [], lambda _: None)).text == "Hello"
        await llm.aclose()


def test_networks_are_listed_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VB_ORCHESTRATOR_MODEL_NETWORKS", "10.0.0.0/8, fd00::/8")
    assert Config().model_networks == _networks("10.0.0.0/8", "fd00::/8")
