"""A site with a webhook tool, whose server says 202 at once and calls back when it is told to."""

import asyncio
import json
import re
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from chat.demo.answers import TOOLS_FIRST, answer_with
from chat.demo.script import ToolAnswer
from chat.webhooks.signing import new_secret, sign
from tests.chaos.callbacks.held import Held, held_by
from tests.chaos.fleet.bed import Fleet, Size, fleet
from tests.chaos.fleet.lanes import opened
from tests.fakes.receiver import Receiver, answer, receiver
from tests.live import LiveSite
from tests.postgres import Postgres
from tests.project.workers import Process, running

PEOPLE = 8
STARTS_AT_ONCE = 5
"""Of one person; a person may have 20 calls of models at once."""
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "tests.chaos.callbacks.settings",
    "TOOLS_ALLOWED_HOSTS": "127.0.0.0/8",
    "PUBLIC_URL": "http://127.0.0.1:9/",
    "CHAT_COMMANDS_PER_MINUTE": "60000",
    "CHAT_FRAMES_PER_MINUTE": "600000",
}
"""Eight people start what a hundred would: the limits of a socket are raised, all else is at its default."""
TOOL = "ship"
MODEL = "fleet/demo"
MAKE_TOOL = """
from chat.models import WebhookTool
tool = WebhookTool(name="ship", description="Sends a parcel.", url={url!r}, deadline_seconds=7200)
tool.parameters = {{"type": "object", "properties": {{"to": {{"type": "string"}}}}, "required": ["to"]}}
tool.set_secret({secret!r})
tool.save()
"""
ENDS = """
SELECT r.id, r.status, r.epoch, r.claimed_at, r.finished_at, m.parts,
  (SELECT count(*) FROM chat_modelcall c WHERE c.run_id = r.id)
FROM chat_run r JOIN chat_message m ON m.id = r.message_id
"""
ROWS = """
SELECT i.id, i.run_id, i.status, i.result, i.attempts,
  (SELECT count(*) FROM chat_toolcallback c WHERE c.invocation_id = i.id AND c.accepted AND c.what = 'succeeded'),
  i.finished_at
FROM chat_toolinvocation i
"""


@dataclass(frozen=True)
class Answered:
    """A callback: when it was sent, and answered."""

    run: str
    result: str
    sent_at: float
    answered_at: float
    status: int
    repeated: bool


@dataclass(frozen=True)
class End:
    status: str
    epoch: int
    claimed_at: float
    finished_at: float | None
    text: str
    calls: int


@dataclass(frozen=True)
class Call:
    """An invocation's row. `effects`: results that were taken."""

    id: str
    run: str
    status: str
    result: str
    attempts: int
    effects: int
    finished_at: float | None


@dataclass
class Bed:
    fleet: Fleet
    receiver: Receiver
    secret: str
    inside: Path
    worker: Process | None = None
    """Where it is not inside of the one web process."""

    @property
    def sites(self) -> list[LiveSite]:
        return self.fleet.sites

    # --- what people and the tool's server do -------------------------------------------------------------

    async def park(self, count: int, door: int = 0, *, seconds: float = 300.0) -> list[Call]:
        """So many runs more that wait for the tool's server; nobody looks at them any more. Their invocations."""
        known = {call.id for call in self.calls()}
        viewers = [self.fleet.viewer(person, door) for person in range(PEOPLE)]
        numbers = iter(range(len(known), len(known) + count))
        async with opened(*viewers):

            async def lane(person: int) -> None:
                for number in numbers:
                    await viewers[person].start(MODEL, f'call:{TOOL} {{"to": "{number}"}}')

            await asyncio.gather(*(lane(person) for person in range(PEOPLE) for _ in range(STARTS_AT_ONCE)))
            asked = "SELECT count(*) FROM chat_run WHERE status NOT IN ('waiting', 'completed')"
            await self.until(lambda: self.fleet.rows(asked) == [(0,)], seconds)
        return [call for call in self.calls() if call.id not in known]

    async def answer(self, calls: Sequence[Call], per_second: float, *doors: int) -> list[Answered]:
        """Calls back with a result of its own for each, so many a second, at those processes in turn."""
        began = time.monotonic()
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

            async def one(number: int, call: Call) -> Answered:
                await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
                site = self.sites[doors[number % len(doors)]]
                return await self.call_back(client, site, call)

            return list(await asyncio.gather(*(one(number, call) for number, call in enumerate(calls))))

    async def call_back(self, client: httpx.AsyncClient, site: LiveSite, call: Call) -> Answered:
        result = f"parcel {call.id}"
        body, headers = self.signed(status="succeeded", result=result)
        sent_at = time.time()
        reply = await client.post(f"{site.url}{path_of(call)}", content=body, headers=headers)
        said = reply.json() if reply.status_code == 200 else {}
        return Answered(
            call.run, result, sent_at, time.time(), reply.status_code, bool(said.get("repeated", True))
        )

    def signed(self, **said: Any) -> tuple[bytes, dict[str, str]]:
        body = json.dumps(said).encode()
        headers = sign([self.secret], f"msg_{uuid.uuid4().hex}", int(time.time()), body)
        return body, {**headers, "content-type": "application/json"}

    def start_all(self) -> None:
        """Those that were killed, again."""
        for site in self.sites:
            if site.process is None:
                site.start(*self.fleet.words)

    # --- how it stands ------------------------------------------------------------------------------------

    def calls(self) -> list[Call]:
        rows = self.fleet.rows(ROWS)
        return [
            Call(_key(key), _key(run), status, result, attempts, effects, _moment(at))
            for key, run, status, result, attempts, effects, at in rows
        ]

    def ends(self) -> dict[str, End]:
        found = {}
        for run, status, epoch, claimed, finished, parts, calls in self.fleet.rows(ENDS):
            said = json.loads(parts) if isinstance(parts, str) else parts
            text = "".join(part["text"] for part in said if part["type"] == "text")
            found[_key(run)] = End(status, epoch, _moment(claimed) or 0.0, _moment(finished), text, calls)
        return found

    async def until(self, is_so: Any, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(is_so):
                await asyncio.sleep(0.2)

    async def all_ended(self, seconds: float = 120.0) -> None:
        """All that do not wait."""
        asked = "SELECT count(*) FROM chat_run WHERE finished_at IS NULL AND status <> 'waiting'"
        await self.until(lambda: self.fleet.rows(asked) == [(0,)], seconds)

    def held(self) -> dict[str, Held]:
        webs = [site.process.pid for site in self.sites if site.process is not None]
        pids = {f"web {n}": pid for n, pid in enumerate(webs, 1)}
        if self.worker is not None:
            pids["worker"] = self.worker.pid
        return {name: held_by(pid, self.inside) for name, pid in pids.items()}

    def queued(self) -> int:
        """Calls of tools that wait for a worker."""
        page = httpx.get(f"{self.sites[0].url}/metrics", trust_env=False).text
        found = re.search(r'queue_depth\{queue="tools"\} (\d+)', page)
        assert found is not None, page
        return int(found[1])

    def complaints(self, answered: Sequence[Answered]) -> list[str]:
        """Of whole answers, made once each."""
        ends, of_run = self.ends(), {call.run: call for call in self.calls()}
        wrong = [said for one in answered for said in _wrong_with(one, ends[one.run], of_run[one.run])]
        often = Counter(self.receiver.ids())
        return wrong + [f"{key}: called {count} times" for key, count in often.items() if count != 1]


def _wrong_with(one: Answered, end: End, call: Call) -> list[str]:
    expected = TOOLS_FIRST + answer_with([ToolAnswer(TOOL, one.result)])
    found = {
        "answered": ((one.status, one.repeated), (200, False)),
        "run": (end.status, "completed"),
        "claims": (end.epoch, 2),
        "text": (end.text, expected),
        "calls of the model": (end.calls, 2),
        "tool": ((call.status, call.result, call.attempts), ("succeeded", one.result, 1)),
        "effects": (call.effects, 1),
    }
    return [f"{one.run}: {what} {was!r}" for what, (was, wanted) in found.items() if was != wanted]


def path_of(call: Call) -> str:
    return f"/webhooks/invocations/{call.id}"


def _key(value: Any) -> str:
    return str(uuid.UUID(str(value)))


def _moment(value: Any) -> float | None:
    """SQLite's is a text without a zone."""
    if value is None:
        return None
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return float((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


@contextmanager
def bed(*, many: bool, server: Postgres | None = None, **settings: str) -> Iterator[Bed]:
    """One process on SQLite with its worker inside, or two on PostgreSQL and Redis with a worker of its own."""
    with ExitStack() as stack:
        inside = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        size = Size(
            webs=2 if many else 1,
            people=PEOPLE,
            settings={**SETTINGS, "INSIDE": str(inside), **settings},
            words=("--no-worker",) if many else (),
        )
        whole = stack.enter_context(fleet(size, server))
        fake = stack.enter_context(receiver())
        fake.then(answer(202))
        secret = new_secret()
        site = whole.sites[0]
        site.manage("shell", "-v0", "-c", MAKE_TOOL.format(url=fake.url, secret=secret))
        place = whole.upstream.base_url
        site.manage(
            "add_provider", "fleet", "--dialect", "openai_chat", "--base-url", place, "--model", "demo"
        )
        made = Bed(whole, fake, secret, inside)
        if many:
            words = ["worker", "-Q", "tools", "-P", "threads", "-c", "8"]
            made.worker = Process(site, words, "worker ready")
            stack.enter_context(running(made.worker))
        yield made
