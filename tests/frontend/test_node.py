"""The front end's own tests (node:test), as part of the suite. `npm test` adds the measured ones of `bounds`."""

import subprocess
from pathlib import Path

import pytest

from tests.interop.installation import node_and_npm

HERE = Path(__file__).parent
# `bounds` measures ratios of milliseconds for half a minute: by hand and with `npm test`, not beside other tests.
FILES = sorted(
    path.name.removesuffix(".test.ts") for path in HERE.glob("*.test.ts") if path.name != "bounds.test.ts"
)


@pytest.mark.parametrize("name", FILES)
def test_the_front_ends_tests_pass(name: str) -> None:
    node, _ = node_and_npm()
    done = subprocess.run([*node, str(HERE / "run.mjs"), name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 0" not in done.stdout
