"""A real API server for the session, and a namespace with rights for each test."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from tests.operator.api_server import ApiServer, binaries
from tests.operator.bench import USERS, Bench
from tests.operator.rights import grant

_MISSING = "no etcd and kube-apiserver: `python -m libs.toolchain.cluster tools`"
_numbers = count(1)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Start etcd and an API server with the definitions of crews."""
    if binaries() is None:
        if os.environ.get("VB_REQUIRE_REAL") == "1":
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    server = ApiServer(folder=tmp_path_factory.mktemp("api-server"), users=USERS)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def bench(api: ApiServer) -> Iterator[Bench]:
    """Have a namespace of its own, and end all replicas that a test started."""
    namespace = f"test-{next(_numbers)}"
    grant(api, namespace, *USERS)
    before = api.interruptions
    with ExitStack() as stack:
        yield Bench(api, namespace, stack)
    # Whatever a test did, the operator asked for nothing that it may not do. An API
    # server that has just started does not know yet who may do what.
    if api.interruptions == before:
        answers = [each for each in api.answers(*USERS) if each.namespace == namespace]
        assert [each for each in answers if each.code == 403] == []
