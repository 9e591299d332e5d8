"""A cluster for the session, the product's images in it, and releases to test."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from libs.toolchain.cluster import (
    Platform,
    chosen_platform,
    is_engine_running,
    is_running,
    lacking,
    start,
    stop,
)
from tests.cluster.kubernetes import Kubernetes, Release, namespace
from tests.cluster.machine import changes, engine_objects, left_as_found
from tests.real import missing

_IMAGES = ("api-gateway", "orchestrator", "operator", "frontend")
_resolve = socket.getaddrinfo


def _resolve_localhost(
    host: str | bytes | None,
    *arguments: Any,
    **options: Any,
) -> list[Any]:
    """Resolve names below `localhost` as browsers do, whatever the machine does."""
    name = host.decode() if isinstance(host, bytes) else host
    is_local = name is not None and name.endswith(".localhost")
    return _resolve("127.0.0.1" if is_local else host, *arguments, **options)


@pytest.fixture(scope="session", autouse=True)
def host_names() -> Iterator[None]:
    """Let clients in this process find releases by their host names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", _resolve_localhost)
        yield


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[Kubernetes]:
    """Start a cluster, or use the one that runs; it is left as it was found.

    So is the machine, with the Docker engine that runs or does not run on it.
    """
    platform = chosen_platform()
    if "VB_CLUSTER_CONTEXT" in os.environ or is_running(platform):
        yield _defined(start(platform).environment)
        return
    with ExitStack() as leaving:
        has_engine = platform is Platform.KIND or is_engine_running()
        # kind keeps a network for its next cluster.
        if platform is Platform.TESTBED:
            if reason := lacking():
                missing(reason)
            leaving.enter_context(left_as_found(beside_engine=has_engine))
        leaving.callback(stop, platform, keeps_engine=has_engine)
        environment = start(platform).environment
        before = engine_objects(environment)
        yield _defined(environment)
        after = engine_objects(environment)
    assert changes(before, after) == []


def _defined(environment: Mapping[str, str]) -> Kubernetes:
    cluster = Kubernetes(environment)
    cluster.install_definitions()
    return cluster


@pytest.fixture(scope="session")
def images(kubernetes: Kubernetes) -> tuple[str, ...]:
    """Build the product's images and load them into the cluster's nodes."""
    kubernetes.run("docker", "compose", "build", *_IMAGES)
    names = tuple(f"venturebots/{image}:0.1.0" for image in _IMAGES)
    cluster = kubernetes.environment["VB_CLUSTER_CONTEXT"].removeprefix("kind-")
    kubernetes.run("kind", "load", "docker-image", "--name", cluster, *names)
    return names


@pytest.fixture
def empty_release(kubernetes: Kubernetes, images: tuple[str, ...]) -> Iterator[Release]:
    """Have a namespace and a host name; the test installs."""
    assert images
    yield from _told(kubernetes)


@pytest.fixture
def release(empty_release: Release) -> Release:
    """Install the umbrella chart with the values of development."""
    empty_release.install()
    return empty_release


@pytest.fixture(scope="module")
def shared_empty_release(
    kubernetes: Kubernetes, images: tuple[str, ...]
) -> Iterator[Release]:
    """Have a namespace for a whole module, which installs as it likes."""
    assert images
    yield from _told(kubernetes)


@pytest.fixture(scope="module")
def shared_release(shared_empty_release: Release) -> Release:
    """Install once for all tests of a module that leave it as it is."""
    shared_empty_release.install()
    return shared_empty_release


def _told(kubernetes: Kubernetes) -> Iterator[Release]:
    """Yield a release in a namespace of its own; tell how it stood at the end."""
    with namespace(kubernetes) as name:
        release = Release(kubernetes, name)
        yield release
        print(release.told())  # noqa: T201 - pytest shows it beside a failure
