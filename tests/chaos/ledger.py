"""Whether everything that a site shows of tokens and money adds up to its ledger, asked as an operator would."""

import subprocess
import sys

from tests.live import ROOT, LiveSite


def differences(site: LiveSite) -> list[str]:
    """What `verify_ledger` names; none where all adds up."""
    asked = subprocess.run(
        [sys.executable, "manage.py", "verify_ledger"],
        cwd=ROOT,
        env=site.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == 0:
        return []
    said = asked.stdout.splitlines() or asked.stderr.splitlines()[-3:]
    return [f"ledger: {line}" for line in said]
