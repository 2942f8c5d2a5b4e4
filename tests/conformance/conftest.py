"""What these tests need before the first of them."""

import pytest

from boot.lib import no_emulator


@pytest.fixture(scope="session", autouse=True)
def emulator() -> None:
    if why := no_emulator():
        pytest.skip(why)
