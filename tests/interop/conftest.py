import os
from collections.abc import Iterator

import pytest

from tests.interop.installation import CannotInstall, aimock_command, litellm_command
from tests.interop.servers import running_aimock, running_litellm

# LiteLLM is several hundred megabytes: `make test-interop` only, not a skip of the ordinary tests.
collect_ignore = [] if os.environ.get("INTEROP_LITELLM") else ["test_litellm.py", "test_litellm_requests.py"]


@pytest.fixture(scope="session")
def aimock_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    try:
        command = aimock_command()
    except CannotInstall as error:
        pytest.skip(f"aimock is not there: {error}. It comes from npm; INTEROP_DIR says where it is kept.")
    with running_aimock(command, tmp_path_factory.mktemp("aimock")) as port:
        yield port


@pytest.fixture(scope="session")
def aimock(aimock_port: int) -> str:
    """Its base URL."""
    return f"http://127.0.0.1:{aimock_port}/v1"


@pytest.fixture(scope="session")
def litellm(aimock_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its base URL, with the models of litellm.yaml, which reach aimock in four protocols."""
    folder = tmp_path_factory.mktemp("litellm")
    with running_litellm(litellm_command(), aimock_port, folder) as port:
        yield f"http://127.0.0.1:{port}/v1"
