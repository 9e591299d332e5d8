"""gRPC between services: channels, servers, bearer tokens and typed errors."""

from libs.rpc.bearer import BearerToken, is_loopback
from libs.rpc.channel import Connection, connect
from libs.rpc.errors import RemoteError, abort_on_error, from_rpc_error, remote_errors
from libs.rpc.server import create_server

__all__ = [
    "BearerToken",
    "Connection",
    "RemoteError",
    "abort_on_error",
    "connect",
    "create_server",
    "from_rpc_error",
    "is_loopback",
    "remote_errors",
]
