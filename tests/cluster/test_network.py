"""Who reaches whom: everything that is declared, and nothing else."""

import functools
import http.server
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pytest

from tests.cluster.kubernetes import Kubernetes, Release, namespace, wait_until
from tests.cluster.pods import Reach, is_ready, reach, stranger
from tests.cluster.test_smoke import answers_through_ingress
from tests.real import missing

pytestmark = pytest.mark.timeout(600)

_API_SERVER = ("kubernetes.default.svc", 443)
_PUBLIC = "203.0.113.7"  # documentation's; policies count it as the internet
_NOT_PUBLIC = ("169.254.169.254", "100.64.7.7", "172.31.7.7", "192.168.77.7")
_WEB, _SECURE_WEB = 80, 443
_PORTS = {
    "api-gateway": (8000, 9090),
    "orchestrator": (50051, 9091),
    "frontend": (8080,),
}
_CLOSED = ("frontend", "api-gateway-backup", "api-gateway-restore")
_TO_GATEWAY = ("chat-test",)
_NOBODYS_PORT = 9999
_INGRESS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}
}


@pytest.fixture(scope="module")
def release(shared_empty_release: Release) -> Release:
    """Install with the page and the API open to the ingress controller alone."""
    shared_empty_release.install(
        **{
            "global": {"networkPolicy": {"ingressControllers": [_INGRESS]}},
            "orchestrator": {"publicModels": {"enabled": True}},
            "api-gateway": {"backup": {"enabled": True}},
        }
    )
    answers_through_ingress(shared_empty_release)
    return shared_empty_release


@pytest.fixture(scope="module")
def world(kubernetes: Kubernetes) -> Iterator[None]:
    """Let this machine answer at a public address, and at some that are not."""
    if kubernetes.audit_log is None:
        missing("the nodes are not this machine")
    with ExitStack() as leaving:
        for address in (_PUBLIC, *_NOT_PUBLIC):
            leaving.enter_context(_served(kubernetes, address))
        yield


@contextmanager
def _served(kubernetes: Kubernetes, address: str) -> Iterator[None]:
    """Have an address on loopback, and a server at two of its ports."""
    link = (f"{address}/32", "dev", "lo")
    kubernetes.run("ip", "address", "add", *link)
    try:
        with ExitStack() as leaving:
            for port in (_WEB, _SECURE_WEB):
                leaving.enter_context(_listening(address, port))
            yield
    finally:
        kubernetes.run("ip", "address", "del", *link)


@contextmanager
def _listening(address: str, port: int) -> Iterator[None]:
    handler = http.server.BaseHTTPRequestHandler
    with socketserver.TCPServer((address, port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()


def _pod(release: Release, service: str) -> str:
    [name] = [pod["metadata"]["name"] for pod in release.pods(service) if is_ready(pod)]
    return str(name)


def _address(release: Release, service: str) -> str:
    [pod] = [pod for pod in release.pods(service) if is_ready(pod)]
    return str(pod["status"]["podIP"])


def _endpoint(release: Release) -> tuple[str, int]:
    """Where the API server itself listens, behind its Service."""
    [slice_] = release.kubernetes.objects(
        "endpointslices",
        namespace="default",
        selector="kubernetes.io/service-name=kubernetes",
    )
    return slice_["endpoints"][0]["addresses"][0], slice_["ports"][0]["port"]


def _inside(release: Release, *, but: str = "") -> dict[str, tuple[str, int]]:
    """Every port of every service but one, by its pod's address."""
    return {
        f"{service}:{port}": (_address(release, service), port)
        for service, ports in _PORTS.items()
        if service != but
        for port in ports
    }


def _reached(
    release: Release,
    pod: str,
    places: Mapping[str, tuple[str, int]],
    *,
    within: str = "",
) -> list[str]:
    """Tell which of some places a pod can reach; the others must be blocked."""
    of_pod = (release.kubernetes, within or release.namespace, pod)
    told = reach(*of_pod, *places.values())
    assert set(told) <= {Reach.OPEN, Reach.BLOCKED}
    return [name for name, far in zip(places, told, strict=True) if far is Reach.OPEN]


def test_the_gateway_reaches_the_orchestrator_alone(release: Release) -> None:
    pod = _pod(release, "api-gateway")

    reached = _reached(release, pod, _inside(release, but="api-gateway"))
    told = reach(
        *(release.kubernetes, release.namespace, pod),
        *(_API_SERVER, _endpoint(release), (_PUBLIC, _SECURE_WEB)),
    )

    assert reached == ["orchestrator:50051"]
    assert told == [Reach.BLOCKED] * 3  # names are resolved: DNS is open


@pytest.mark.usefixtures("world")
def test_the_orchestrator_reaches_the_public_web_alone(release: Release) -> None:
    pod = _pod(release, "orchestrator")
    private = [(address, _SECURE_WEB) for address in _NOT_PUBLIC]
    of_orchestrator = (release.kubernetes, release.namespace, pod)

    reached = _reached(release, pod, _inside(release, but="orchestrator"))
    api_server = reach(*of_orchestrator, _API_SERVER, _endpoint(release))
    public = reach(*of_orchestrator, (_PUBLIC, _SECURE_WEB), (_PUBLIC, _WEB))
    elsewhere = reach(*of_orchestrator, *private)

    assert reached == []
    assert api_server == [Reach.BLOCKED] * 2
    assert public == [Reach.OPEN, Reach.BLOCKED]
    assert elsewhere == [Reach.BLOCKED] * len(_NOT_PUBLIC)


@pytest.mark.parametrize("name", [*_CLOSED, *_TO_GATEWAY])
def test_pods_without_a_need_reach_nothing_and_are_reached_by_none(
    release: Release, name: str
) -> None:
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": release.name,
    }
    kubernetes, within = release.kubernetes, release.namespace
    is_open = name in _TO_GATEWAY
    others = _inside(release, but=name)
    with ExitStack() as leaving:
        other = leaving.enter_context(stranger(kubernetes, within))
        pod = leaving.enter_context(
            stranger(kubernetes, within, f"like-the-{name}", labels=labels)
        )
        outside = functools.partial(
            reach, kubernetes, within, pod, _API_SERVER, _endpoint(release)
        )
        # Only who has somebody to reach may ask for addresses.
        nowhere = [Reach.BLOCKED if is_open else Reach.UNRESOLVED, Reach.BLOCKED]
        wait_until(lambda: outside() == nowhere, "a policy for the new pod")
        reached = _reached(release, pod, others)
        found = kubernetes.object("pod", pod, namespace=within)
        place = (found["status"]["podIP"], _NOBODYS_PORT)
        told = reach(kubernetes, within, other, place)

    assert reached == (["api-gateway:8000"] if is_open else [])
    assert told == [Reach.BLOCKED]  # an open way to a port of nobody's is refused


@pytest.mark.usefixtures("world")
def test_a_stranger_reaches_nothing_of_the_release(
    release: Release, kubernetes: Kubernetes
) -> None:
    with ExitStack() as leaving:
        other = leaving.enter_context(namespace(kubernetes))
        for within in (release.namespace, other):
            pod = leaving.enter_context(stranger(kubernetes, within))
            # It is free to go where it likes: what holds it is the release's own.
            told = reach(
                *(kubernetes, within, pod),
                *(_endpoint(release), *((each, _WEB) for each in _NOT_PUBLIC)),
            )
            assert set(told) == {Reach.OPEN}
            assert _reached(release, pod, _inside(release), within=within) == []


def test_without_named_ingress_controllers_page_and_api_are_everybodys(
    release: Release, kubernetes: Kubernetes
) -> None:
    release.install(**{"global": {"networkPolicy": {"ingressControllers": []}}})
    expected = ["api-gateway:8000", "frontend:8080"]
    with ExitStack() as leaving:
        other = leaving.enter_context(namespace(kubernetes))
        pod = leaving.enter_context(stranger(kubernetes, other))
        places = _inside(release)
        is_open = functools.partial(_reached, release, pod, places, within=other)

        wait_until(lambda: is_open() == expected, f"{expected} and nothing else")
