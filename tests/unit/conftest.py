"""A world of services in this process, closed after each test."""

import pytest
from support.world import World


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


@pytest.fixture
def worlds():
    """Makes worlds that are closed after the test."""
    made = []

    def make(*heads, **options):
        made.append(World(*heads, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
