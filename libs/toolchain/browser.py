"""Find a Chromium for the browser tests, fetching one where that is possible.

Prints its path. `$CHROMIUM`, one on PATH, one Playwright has or can fetch, or
Debian's package when the user is root.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["find_chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FETCH_SECONDS = 300


def find_chromium() -> Path | None:
    """Return the path of a browser, or nothing when none can be had."""
    return _named() or _on_path() or _from_playwright() or _from_debian()


def _named() -> Path | None:
    named = os.environ.get("CHROMIUM")
    if not named:
        return None
    found = shutil.which(named)
    if found is None:
        message = f"CHROMIUM={named!r} is not a program"
        raise SystemExit(message)
    return Path(found)


def _on_path() -> Path | None:
    found = (shutil.which(name) for name in _NAMES)
    return next((Path(path) for path in found if path), None)


def _from_playwright() -> Path | None:
    path = _playwright_path()
    if path is None or path.exists():
        return path
    fetch = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
    _try(fetch)
    path = _playwright_path()
    return path if path is not None and path.exists() else None


def _playwright_path() -> Path | None:
    # Asked of a process of its own: the driver must not outlive the question.
    ask = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    told = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, text=True, check=False
    )
    return Path(told.stdout.strip()) if told.returncode == 0 else None


def _from_debian() -> Path | None:
    apt_get = shutil.which("apt-get")
    if apt_get is None or os.geteuid() != 0:
        return None
    _try([apt_get, "update", "-qq"])
    _try([apt_get, "install", "-qq", "--yes", "--no-install-recommends", "chromium"])
    return _on_path()


def _try(command: list[str]) -> None:
    """Run what may well fail; the caller looks for what it should have brought."""
    try:
        subprocess.run(command, check=False, stdout=sys.stderr, timeout=_FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"gave up on {command[0]} after {_FETCH_SECONDS} s\n")


if __name__ == "__main__":
    chromium = find_chromium()
    if chromium is None:
        sys.exit("no Chromium: set CHROMIUM, or put one on PATH")
    sys.stdout.write(f"{chromium}\n")
