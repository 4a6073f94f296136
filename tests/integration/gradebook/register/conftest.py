"""A second school besides that of `world`; each module begins with an empty register."""

import pytest

from tests.integration.gradebook.register.schools import another
from tests.integration.gradebook.world import OTHER_VENDOR, World


@pytest.fixture(scope="module")
def second(world: World) -> World:
    """A second, smaller school with another vendor."""
    return another(world, "31000811", OTHER_VENDOR)
