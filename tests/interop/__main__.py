"""`make test-interop`: installs both foreign servers, then runs the tests against them.

python -m tests.interop [pytest's arguments]
"""

import os
import subprocess
import sys

from tests.interop.installation import CannotInstall, aimock_command, interop_folder, litellm_command


def main() -> int:
    sys.stdout.write(f"foreign servers live in {interop_folder()}\n")
    sys.stdout.flush()
    try:
        aimock_command()
        litellm_command()
    except CannotInstall as error:
        sys.stderr.write(f"cannot install: {error}\n")
        return 1
    command = [sys.executable, "-m", "pytest", "tests/interop", "-m", "interop", *sys.argv[1:]]
    return subprocess.call(command, env={**os.environ, "INTEROP_LITELLM": "1"})


if __name__ == "__main__":
    raise SystemExit(main())
