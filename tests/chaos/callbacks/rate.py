"""How many signed callbacks one web process takes a second, and what many copies of one message come to."""

import asyncio
import itertools
from collections.abc import Sequence

import psutil

from bench.report import row
from tests.chaos.callbacks.bed import Bed, Call, bed, path_of
from tests.chaos.callbacks.parked import COLUMNS
from tests.chaos.callbacks.wire import Answers, request, send
from tests.chaos.fleet.verdict import p
from tests.chaos.report import Section

LEAST_PER_SECOND = 150.0
CONNECTIONS = 16
HEADS = ("", "callbacks", "a second", "goal", "ms: p50", "p95", "max", "ms of a core each", "wrong")
MAKE_ELSEWHERE = """
import uuid
from datetime import timedelta
from django.utils import timezone
from chat.models import Conversation, Message, Node, Run, ToolInvocation, User, WebhookTool
far = timezone.now() + timedelta(hours=2)
node = Node.objects.create(kind="web", host="elsewhere", pid=1, heartbeat_at=far)
user, tool = User.objects.get(username="ann"), WebhookTool.objects.get()
conversation = Conversation.objects.create(owner=user)
messages = [Message(conversation=conversation, role="assistant", parts=[]) for _ in range({count})]
Message.objects.bulk_create(messages)
runs = [
    Run(
        user=user, conversation=conversation, message=message, start_key=uuid.uuid4(), model_name="elsewhere",
        status="running", epoch=1, node=node, claimed_at=timezone.now(),
    )
    for message in messages
]
Run.objects.bulk_create(runs)
ToolInvocation.objects.bulk_create(
    ToolInvocation(
        user=user, conversation=conversation, run=run, step=1, call_id="c", name=tool.name, kind="webhook",
        webhook_tool=tool, arguments="{{}}", status="waiting", waits_for="callback", attempts=1, deadline_at=far,
    )
    for run in runs
)
"""
CLEAR_ELSEWHERE = """
from chat.models import Conversation
Conversation.objects.filter(runs__model_name="elsewhere").delete()
"""
EFFECTS = "SELECT count(*) FROM chat_toolcallback WHERE accepted"


async def measure(progress: int, results: int, parked: int, copies: int) -> Section:
    section = Section(f"Signed callbacks at one web process, over {CONNECTIONS} connections", HEADS)
    wrong: list[str] = []
    for name, many in COLUMNS.items():
        with bed(many=many) as found:
            for site in found.sites[1:]:  # one process takes them all
                await asyncio.to_thread(site.stop)
            rate = Rate(found, section, name)
            calls = await found.park(parked)
            await rate.progress(calls, progress)
            await rate.results_elsewhere(results)
            await rate.results(calls)
            await rate.copies(copies)
            wrong += rate.wrong
    section.complain(wrong)
    section.note(
        "Progress: of runs that are parked. Results, elsewhere: of runs that another process makes, which is told. "
        "Results, here: of parked runs, which this process takes up and goes on with meanwhile: two fifths of a second "
        "of a model's words for each. Copies: of one message, all at once; one may have an effect."
    )
    return section


class Rate:
    def __init__(self, found: Bed, section: Section, name: str) -> None:
        self._bed, self._section, self._name = found, section, name
        self._port = found.sites[0].port
        self._cpu_ms = 0.0
        self.wrong: list[str] = []

    async def progress(self, calls: Sequence[Call], count: int) -> None:
        said = {"status": "progress", "fraction": 0.5, "note": "half of it"}
        answers = await self._send([self._signed(call, **said) for call in _around(calls, count)])
        self._show("progress", answers, self._not_once(answers))

    async def results_elsewhere(self, count: int) -> None:
        known = {call.id for call in self._bed.calls()}
        await self._manage(MAKE_ELSEWHERE.format(count=count))
        calls = [call for call in self._bed.calls() if call.id not in known]
        answers = await self._send([self._result(call) for call in calls])
        wrong = self._not_once(answers)
        taken = {call.id: call.effects for call in self._bed.calls()}
        wrong += [f"{call.id}: {taken[call.id]} effects" for call in calls if taken[call.id] != 1]
        self._show("results, elsewhere", answers, wrong)
        await self._manage(CLEAR_ELSEWHERE)

    async def results(self, calls: Sequence[Call]) -> None:
        answers = await self._send([self._result(call) for call in calls])
        await self._bed.all_ended()
        wrong = self._not_once(answers)
        wrong += [f"{call.id}: {call.status}" for call in self._bed.calls() if call.status != "succeeded"]
        ends = self._bed.ends()
        wrong += [f"{run}: {end.status}" for run, end in ends.items() if end.status != "completed"]
        at = {call.run: call.finished_at or 0.0 for call in self._bed.calls()}
        taken_up = [end.claimed_at - at[run] for run, end in ends.items()]
        late = f"taken up after s: p50 {p(taken_up, 0.5):.2f}, max {max(taken_up):.2f}"
        self._show(f"results, here ({late})", answers, wrong, goal=False)

    async def copies(self, count: int) -> None:
        [call] = await self._bed.park(1)
        before = self._effects()
        answers = await self._send([self._result(call)] * count)
        await self._bed.all_ended()
        wrong = [] if answers.statuses == {200: count} else [f"answered {dict(answers.statuses)}"]
        first = sum(times for (_, body), times in answers.said.items() if b"false" in body)
        if first != 1:
            wrong.append(f"{first} were told that they came first")
        if (effects := self._effects() - before) != 1:
            wrong.append(f"{effects} effects")
        [row_now] = [one for one in self._bed.calls() if one.id == call.id]
        end = self._bed.ends()[call.run]
        if (end.status, end.epoch, end.calls, row_now.effects) != ("completed", 2, 2, 1):
            wrong.append(f"{end}, {row_now}")
        self._show("copies of one result", answers, wrong, goal=False)

    async def _send(self, requests: Sequence[bytes]) -> Answers:
        process = self._bed.sites[0].process
        assert process is not None
        before = sum(psutil.Process(process.pid).cpu_times()[:2])
        answers = await send(self._port, requests, CONNECTIONS)
        self._cpu_ms = (sum(psutil.Process(process.pid).cpu_times()[:2]) - before) * 1000 / len(requests)
        return answers

    def _result(self, call: Call) -> bytes:
        return self._signed(call, status="succeeded", result=f"parcel {call.id}")

    def _signed(self, call: Call, **said: object) -> bytes:
        body, headers = self._bed.signed(**said)
        return request(self._port, path_of(call), body, headers)

    def _not_once(self, answers: Answers) -> list[str]:
        return [
            f"answered {status} {body[:80]!r}, {times} times"
            for (status, body), times in answers.said.items()
            if status != 200 or b"false" not in body
        ]

    def _effects(self) -> int:
        [(count,)] = self._bed.fleet.rows(EFFECTS)
        return int(count)

    async def _manage(self, script: str) -> None:
        await asyncio.to_thread(self._bed.sites[0].manage, "shell", "-v0", "-c", script)

    def _show(self, what: str, answers: Answers, wrong: Sequence[str], *, goal: bool = True) -> None:
        self.wrong += [f"{self._name}, {what}: {said}" for said in wrong]
        took = [seconds * 1000 for seconds in answers.took]
        figures = (f"{p(took, 0.5):.0f}", f"{p(took, 0.95):.0f}", f"{max(took):.0f}", f"{self._cpu_ms:.1f}")
        wanted = f"≥ {LEAST_PER_SECOND:.0f}" if goal else ""
        self._section.add(
            row(
                f"{self._name}: {what}", len(took), f"{answers.per_second:.0f}", wanted, *figures, len(wrong)
            ),
            failed=wrong or (goal and answers.per_second < LEAST_PER_SECOND),
        )


def _around(calls: Sequence[Call], count: int) -> list[Call]:
    """So many, each as often as the others."""
    return list(itertools.islice(itertools.cycle(calls), count))
