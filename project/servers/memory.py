"""What a server does once with its interpreter, when everything is loaded (docs/adr/0004)."""

import gc
import sys

COLLECT_AFTER = (20_000, 20, 50)
SWITCH_SECONDS = 0.001


def settle() -> None:
    """The collector leaves alone what stays for good anyway; threads give way to the event loop sooner.

    A full collection of all that is imported would stall every answer for over 100 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    # With the default of 5 ms, a thread in the database's code keeps the loop waiting for as long.
    sys.setswitchinterval(SWITCH_SECONDS)
