"""One variable puts another model behind the coach."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.testing.client import FounderClient
from libs.testing.model_script import reply_tokens
from libs.testing.stack import REPOSITORY
from tests.images.composition import Composition, docker
from tests.images.conftest import Service

pytestmark = pytest.mark.timeout(300)

_TOKENS = 60
_PRIVATE = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"


@pytest.fixture
async def model_url(product: Composition, images: dict[str, str]) -> AsyncIterator[str]:
    """Serve a model in a container beside the orchestrator's."""
    name = f"{product.name}-model"
    await docker(
        *("run", "--detach", "--rm", "--name", name, "--network-alias", "model"),
        *("--network", f"{product.name}_models"),
        *("--volume", f"{REPOSITORY}/libs/testing:/app/libs/testing:ro"),
        *(images[Service.ORCHESTRATOR], "python", "-m", "libs.testing.model_server"),
        *("--host", "0.0.0.0", "--tokens", str(_TOKENS)),  # noqa: S104 - in its container
    )
    yield "http://model:9000/v1"
    await docker("rm", "--force", name)


async def test_the_words_come_from_the_model_that_a_variable_names(
    product: Composition, founder: FounderClient, model_url: str
) -> None:
    await product.up(
        VB_ORCHESTRATOR_DEFAULT_MODEL="local",
        VB_ORCHESTRATOR_MODEL_NETWORKS=_PRIVATE,
        LOCAL_BASE_URL=model_url,
        OPENAI_API_KEY="sk-of-a-test",
    )
    session = await founder.create_session()
    async with founder.following(session["session_id"]) as socket:
        sent = await founder.send(session["session_id"], "Go on [seed:switched]")
        end = await socket.ended(session["stream"], sent["run_id"])

        assert end == "run.finished"
        said = socket.state(session["stream"]).reply_to(sent["run_id"])
        assert said == "".join(reply_tokens("switched", _TOKENS))

    seen = await asyncio.gather(*(_variables(product, each) for each in Service))
    assert [any("sk-of-a-test" in each for each in one) for one in seen] == [
        service is Service.ORCHESTRATOR for service in Service
    ]
    await product.compose("up", "--detach")  # as it was, for whoever comes next


async def _variables(product: Composition, service: Service) -> list[str]:
    container = (await product.containers())[service]
    variables: list[str] = container.configuration["Config"]["Env"]
    return variables
