"""The secret key of an installation: made once, kept in the data folder, readable by its owner alone."""

import os
import secrets
import time
from pathlib import Path

from project.env import BadSetting


def make_data_folder(folder: Path) -> None:
    """Makes `folder`; ends the process with one line where it cannot be written."""
    try:
        # What people have said is in it.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(
            "DATA_DIR", str(folder), f"a folder that can be written ({error.strerror})"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadSetting("DATA_DIR", str(folder), "a folder that can be written")


def read_or_make_secret_key(folder: Path) -> str:
    """The key in `folder`/secret_key. Two processes that start at once agree on one."""
    file = folder / "secret_key"
    for _ in range(50):
        try:
            key = file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            _write_once(file, secrets.token_urlsafe(50))
            continue
        except OSError as error:
            raise BadSetting(
                "DATA_DIR", str(folder), f"a readable secret_key in it ({error.strerror})"
            ) from None
        if key:
            return key
        time.sleep(0.02)
    raise BadSetting("DATA_DIR", str(folder), "a secret_key in it that is not empty")


def _write_once(file: Path, key: str) -> None:
    # Written whole under another name and linked into place, so that nobody reads half a key.
    draft = file.with_name(f"secret_key.{os.getpid()}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as out:
            out.write(key)
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise BadSetting(
            "DATA_DIR", str(file.parent), f"a folder that can be written ({error.strerror})"
        ) from None
