import pytest

from chat.demo import Waits, start_demo_upstream
from chat.demo.script import Pace
from chat.llm.dialects.registry import DIALECTS


@pytest.fixture
async def upstream():
    waits = Waits(late_head_seconds=20, drip_seconds=0.02)
    server = await start_demo_upstream(waits=waits, pace=Pace(per_second=0, first_ms=0))
    yield server
    await server.close()


@pytest.fixture(params=sorted(DIALECTS))
def dialect(request):
    """The name of each of the three protocols."""
    return request.param
