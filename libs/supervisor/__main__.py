"""`python -m libs.supervisor [--dev]`: run VentureBots in the foreground."""

import argparse
import asyncio
import sys
from pathlib import Path

from libs.supervisor.development import run_in_development
from libs.supervisor.ports import taken_ports
from libs.supervisor.programs import GATEWAY, SERVICES, VITE, environment
from libs.supervisor.supervisor import Supervisor, write_line


def main() -> None:
    """Check the ports, start the programs, wait for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument(
        "--dev",
        action="store_true",
        help="restart services whose code changed; Vite serves the page",
    )
    is_development = parser.parse_args().dev
    folder = Path.cwd()
    told = environment(folder / ".env")
    wanted = [port for program in SERVICES for port in program.ports]
    if is_development:
        wanted.append(VITE)
    complaints = taken_ports(wanted, told)
    if complaints:
        raise SystemExit("\n".join(complaints))
    for program in SERVICES:
        numbers = ", ".join(str(port.number(told)) for port in program.ports)
        write_line("run", f"{program.name} on {numbers}")
    if is_development:
        running = run_in_development(told, folder=folder, say=write_line)
        sys.exit(asyncio.run(running))
    public = GATEWAY.ports[0]
    address = f"http://{public.host(told)}:{public.number(told)}"
    supervisor = Supervisor(
        SERVICES,
        environment=told,
        folder=folder,
        when_ready=f"ready: open {address}  (Ctrl-C ends it)",
        say=write_line,
    )
    sys.exit(asyncio.run(supervisor.run()))


if __name__ == "__main__":
    main()
