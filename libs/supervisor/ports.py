"""Whether ports are free, and who holds those that are not."""

import socket
from collections.abc import Iterable, Mapping

import psutil

from libs.supervisor.programs import Port

__all__ = ["taken_ports"]


def taken_ports(ports: Iterable[Port], environment: Mapping[str, str]) -> list[str]:
    """Describe each port that cannot be had: by whom, and how to move away."""
    complaints: list[str] = []
    asked: dict[int, str] = {}
    for port in ports:
        number = port.number(environment)
        if number == 0:
            continue
        if number in asked:
            complaints.append(
                f"Port {number} is given to both {asked[number]} and {port.variable}."
            )
        elif not _is_free(port.host(environment), number):
            complaints.append(
                f"Port {number} is taken{_by_whom(number)}. Stop what holds it, "
                f"or choose another: {port.variable}=<port> make run"
            )
        asked[number] = port.variable
    return complaints


def _is_free(host: str, number: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the services do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return False
    return True


def _by_whom(number: int) -> str:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return ""  # macOS tells root alone
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or connection.pid is None:
            continue
        if connection.laddr and connection.laddr.port == number:
            return f" by process {connection.pid}{_name_of(connection.pid)}"
    return ""


def _name_of(pid: int) -> str:
    try:
        return f" ({psutil.Process(pid).name()})"
    except psutil.Error:
        return ""
