"""What the namespace tests need before the first of them."""

import pytest

from .lib import low_limits, may_make_jails


@pytest.fixture(scope="session", autouse=True)
def jails() -> None:
    low_limits()
    if why := may_make_jails():
        pytest.skip(why)
