"""What a test needs and does not find: a skip, or where none is allowed a failure."""

import os
from typing import NoReturn

import pytest

__all__ = ["missing"]


def missing(what: str) -> NoReturn:
    """Skip for want of something; fail where VB_REQUIRE_REAL=1 asks for it."""
    if os.environ.get("VB_REQUIRE_REAL") == "1":
        pytest.fail(f"{what}, and VB_REQUIRE_REAL=1 asks for it")
    pytest.skip(what)
