"""The form of lines, in a process of its own: whoever logs, they come out alike."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAY = """
import logging, sys
import django
django.setup()
import structlog
structlog.contextvars.bind_contextvars(run="run-1")
structlog.get_logger("chat.engine").info("ours", number=1)
for name in ("django.request", "celery.app.trace", "twisted", "uvicorn.error", "asyncio", "daphne.server"):
    logging.getLogger(name).warning("%s says %d", name, 7)
logging.getLogger("celery.worker").warning("Authorization: Bearer sk-0123456789abcdef")
structlog.get_logger("project").warning("key", header="Bearer sk-0123456789abcdef")
try:
    raise ValueError("api_key=0123456789abcdef")
except ValueError:
    logging.getLogger("uvicorn.error").exception("broken")
"""


def said(form: str, tmp_path: Path, script: str = SAY) -> list[str]:
    ours = {"DATA_DIR": str(tmp_path), "LOG_FORMAT": form, "DJANGO_SETTINGS_MODULE": "project.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **ours},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said("json", tmp_path_factory.mktemp("json"))]


def test_each_line_is_an_object_that_begins_alike(lines):
    assert len(lines) == 10
    for line in lines:
        assert list(line)[:4] == ["timestamp", "level", "logger", "event"]


def test_whoever_logs_says_which_run_it_is_about(lines):
    assert {line["run"] for line in lines} == {"run-1"}


def test_foreign_loggers_are_told_like_ours(lines):
    foreign = {line["logger"]: line["event"] for line in lines[1:7]}
    assert foreign == {name: f"{name} says 7" for name in foreign}
    assert {"django.request", "celery.app.trace", "twisted", "uvicorn.error"} <= set(foreign)


def test_secrets_are_taken_out_whoever_logs_them(lines):
    assert "0123456789abcdef" not in json.dumps(lines)
    assert "ValueError" in lines[-1]["exception"]


def test_text_is_a_line_too(tmp_path):
    text = said("text", tmp_path)
    assert "ours" in text[0]
    assert "run-1" in text[0]
    assert "twisted says 7" in "".join(text)


def test_a_worker_leaves_the_logs_as_they_are(tmp_path):
    script = """
import logging
from project.celery import app
import django
django.setup()
before = list(logging.getLogger().handlers)
app.log.setup(loglevel="INFO", redirect_stdouts=True)
assert logging.getLogger().handlers == before
logging.getLogger("celery").warning("still ours")
print("to standard output")
"""
    [line] = said("json", tmp_path, script)
    assert json.loads(line)["event"] == "still ours"
