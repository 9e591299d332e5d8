"""Do once a second what a cluster's network and volume plugins do.

usage: python -m tests.cluster.testbed.agents SERVER CERTIFICATES VOLUMES
"""

import http.client
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster.testbed.api_client import ApiClient, ApiError
from tests.cluster.testbed.network_policy import NetworkPolicies
from tests.cluster.testbed.volumes import Volumes

_FAILURES = (OSError, http.client.HTTPException, ApiError, subprocess.SubprocessError)
_INTERVAL_SECONDS = 1


def main() -> None:
    """Run until stopped; a failure is told and tried again."""
    server, certificates, volumes = sys.argv[1:]
    api = ApiClient(server, Path(certificates))
    agents = (NetworkPolicies(api), Volumes(api, Path(volumes)))
    while True:
        for agent in agents:
            try:
                agent.run_once()
            except _FAILURES as error:
                sys.stderr.write(f"trying again: {error!r}\n")
                api.close()
        time.sleep(_INTERVAL_SECONDS)


if __name__ == "__main__":
    main()
