"""Ask a service of this machine whether it is ready: `python -m libs.probe 9090`.

For images, where nothing else speaks HTTP. It imports next to nothing, because
it runs every few seconds.
"""

import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

__all__ = ["main"]

_TIMEOUT_SECONDS = 2


def main(arguments: list[str]) -> int:
    """Return 0 when the side port in the only argument answers `/readyz` with 200."""
    connection = HTTPConnection(
        "127.0.0.1", int(arguments[0]), timeout=_TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"{error!r}\n")
        return 1
    finally:
        connection.close()
    return int(status != HTTPStatus.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
