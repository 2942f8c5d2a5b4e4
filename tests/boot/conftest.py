"""What the boot tests need before the first of them, and what a failing one shows."""

import pytest

from .lib import no_emulator, told


@pytest.fixture(scope="session", autouse=True)
def emulator() -> None:
    if why := no_emulator():
        pytest.skip(why)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    with told():
        pyfuncitem.obj()
    return True
