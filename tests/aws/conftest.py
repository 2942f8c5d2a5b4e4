"""What nitro-cli's tests need before the first of them."""

import signal

import pytest

from .lib import missing, stop


@pytest.fixture(scope="session", autouse=True)
def nitro_cli() -> None:
    signal.signal(signal.SIGTERM, stop)
    if why := missing():
        pytest.skip(why)
