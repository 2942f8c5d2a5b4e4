"""What the tests of mkeif need before the first of them."""

import pytest

from .lib import prepare


@pytest.fixture(scope="session", autouse=True)
def prepared() -> None:
    prepare()
