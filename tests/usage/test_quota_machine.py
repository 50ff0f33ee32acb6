"""Whatever happens in whatever order: never over, used is what the ledger has, and in the end nothing is set aside."""

import contextlib
import uuid
from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from chat.exceptions import UsedUp
from chat.models import ModelCall, Quota, QuotaUse, Reservation, Run
from chat.usage.known_quotas import KNOWN
from chat.usage.ledger import write_calls
from chat.usage.reservations import Want, release_stale, reserve, settle
from tests.factories import LanguageModelFactory, RunFactory, UserFactory

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
TOKENS, MONEY = 1000, Decimal("0.01")
TOKEN_COSTS = Decimal("0.000008")


class Quotas(RuleBasedStateMachine):
    """One person whose runs are started, billed, retried, killed, taken over, deleted."""

    open_runs = Bundle("open_runs")

    def __init__(self) -> None:
        super().__init__()
        self.outside = transaction.atomic()
        self.outside.__enter__()
        KNOWN.forget()
        self.user = UserFactory.create()
        self.model = LanguageModelFactory.create()
        Quota.objects.create(name="All", tokens_per_day=TOKENS, money_per_month=MONEY, currency="USD")

    def teardown(self) -> None:
        Run.objects.filter(finished_at=None).update(finished_at=NOW)
        release_stale(now=NOW)
        assert not QuotaUse.objects.exclude(reserved=0).exists()
        assert not Reservation.objects.filter(state="held").exists()
        transaction.set_rollback(True)
        self.outside.__exit__(None, None, None)
        KNOWN.forget()

    @rule(target=open_runs, output=st.integers(1, 400))
    def start(self, output):
        with contextlib.suppress(UsedUp), transaction.atomic():
            run = RunFactory.create(
                conversation__owner=self.user,
                model=self.model,
                status="running",
                epoch=1,
                options={"most": output},
            )
            reserve([self.want(run, 1, 1)], now=NOW, starts=True)
            return run.pk
        return multiple()

    @rule(run=open_runs, share=st.floats(0, 1), retried=st.booleans())
    def end_a_step(self, run, share, retried):
        row = Run.objects.filter(pk=run, finished_at=None).first()
        if row is None:
            return
        step = self.step(row)
        if not self.holds(row, step):
            return
        with transaction.atomic():
            if retried:
                self.bill(row, step, 0, outcome="provider_cut", attempt=1)
            self.bill(row, step, int(self.most(row) * share), attempt=2)
            settle(run, epoch=row.epoch, now=NOW)
        with contextlib.suppress(UsedUp), transaction.atomic():
            reserve([self.want(row, step + 1, row.epoch)], now=NOW)

    @rule(run=consumes(open_runs), share=st.floats(0, 1))
    def end(self, run, share):
        row = Run.objects.filter(pk=run).first()
        if row is None:
            return
        with transaction.atomic():
            step = self.step(row)
            if self.holds(row, step):
                self.bill(row, step, int(self.most(row) * share), attempt=2)
            Run.objects.filter(pk=run).update(finished_at=NOW, status="completed")
            settle(run, epoch=row.epoch, now=NOW)

    @rule(run=open_runs, share=st.floats(0, 1))
    def kill_and_rescue(self, run, share):
        row = Run.objects.filter(pk=run, finished_at=None).first()
        if row is None:
            return
        with transaction.atomic():
            Run.objects.filter(pk=run).update(epoch=row.epoch + 1)
            step = self.step(row)
            if self.holds(row, step):
                self.bill(
                    row,
                    step,
                    int(self.most(row) * share),
                    outcome="lost",
                    usage_source="estimated",
                    attempt=2,
                )
            settle(run, epoch=row.epoch, now=NOW)
        row.refresh_from_db()
        with contextlib.suppress(UsedUp), transaction.atomic():
            reserve([self.want(row, step, row.epoch)], now=NOW)

    @rule(run=consumes(open_runs))
    def delete(self, run):
        Run.objects.filter(pk=run).delete()

    @rule()
    def look(self):
        release_stale(now=NOW)

    @invariant()
    def never_over(self):
        for use in QuotaUse.objects.all():
            limit = TOKENS if use.kind == "tokens_per_day" else int(MONEY.scaleb(9))
            assert 0 <= use.taken <= limit

    @invariant()
    def used_is_the_ledgers(self):
        tokens = sum((call.input_tokens or 0) + (call.output_tokens or 0) for call in ModelCall.objects.all())
        for use in QuotaUse.objects.all():
            assert use.used == (
                tokens if use.kind == "tokens_per_day" else int((tokens * TOKEN_COSTS).scaleb(9))
            )

    def want(self, run, step, epoch):
        most = self.most(run)
        return Want(
            run=run.pk,
            step=step,
            epoch=epoch,
            user=self.user.pk,
            pseudonym=self.user.pseudonym,
            input_tokens=0,
            output_tokens=most,
            costs={"USD": most * TOKEN_COSTS},
        )

    @staticmethod
    def most(run):
        return run.options["most"]

    @staticmethod
    def step(run):
        return Reservation.objects.filter(run=run.pk, epoch=run.epoch).count() or 1

    @staticmethod
    def holds(run, step):
        return Reservation.objects.filter(run=run.pk, epoch=run.epoch, step=step, state="held").exists()

    def bill(self, run, step, tokens, **columns):
        common = {
            "id": uuid.uuid4(),
            "user_id": self.user.pk,
            "pseudonym": self.user.pseudonym,
            "run_id": run.pk,
            "step": step,
            "epoch": run.epoch,
            "outcome": "completed",
            "started_at": NOW,
            "input_tokens": 0,
            "output_tokens": tokens,
            "usage_source": "reported",
            "cost": tokens * TOKEN_COSTS,
            "currency": "USD",
            "provider": "demo",
            "model": "demo",
            "http_status": 200,
        }
        write_calls([common | columns])


def test_whatever_happens(db: None) -> None:
    wanted = settings(
        max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Quotas, settings=wanted)
