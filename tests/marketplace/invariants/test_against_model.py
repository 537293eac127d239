"""The ledger against a model in dictionaries: any deeds, same answers, same rows (L1-L6, L9-L12).

Few keys, few accounts and few credits, so that keys collide, holds and caps get in the way, and
accounts run dry.
"""

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from marketplace.names import ESCROW, PLATFORM, WORLD
from tests.support.proving.deed import (
    Deed,
    ExpireHolds,
    Hold,
    Legs,
    Linked,
    OpenMandate,
    Pay,
    PostHold,
    Refund,
    VoidHold,
)
from tests.support.proving.machine import Fate, Machine, Template
from tests.support.proving.source import MANDATES

KEYS = [f"key-{number}" for number in range(10)]
keys = st.sampled_from(KEYS)
spenders = st.sampled_from(["ada", "bob", "eve", *MANDATES, "nobody"])
rich = st.sampled_from(["ada", "bob", *MANDATES])
payees = st.sampled_from(["ada", "bob", "eve", *MANDATES, PLATFORM])
amounts = st.integers(1, 60)


@st.composite
def payments(draw: st.DrawFn, payers: st.SearchStrategy[str] = spenders) -> Legs:
    """One payer and up to three payees; sometimes a leg that spoils the sum."""
    shares = draw(st.lists(st.tuples(payees, amounts), min_size=1, max_size=3))
    missing = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1]))
    return ((draw(payers), missing - sum(amount for _, amount in shares)), *shares)


pays = st.builds(Pay, key=keys, legs=payments(), kind=st.sampled_from(["gift", "loan"]))
deeds: st.SearchStrategy[Deed] = st.one_of(
    pays,
    st.builds(Hold, keys, spenders, amounts, st.floats(1_000_000.0, 1_000_400.0)),
    st.builds(PostHold, keys, keys, st.lists(st.tuples(payees, amounts), max_size=3).map(tuple)),
    st.builds(VoidHold, keys, keys),
    st.builds(Refund, keys, keys, st.none() | amounts),
    st.builds(OpenMandate, keys, st.just("ada"), st.sampled_from(["ada/agent", "ada/b"]), amounts),
    st.lists(pays, min_size=1, max_size=3).map(lambda found: Linked(tuple(found))),
    st.just(ExpireHolds()),
)


class LedgerMachine(RuleBasedStateMachine):
    """Deeds one by one and in groups, time passing, power failing, the market reopened."""

    template: Template
    template_folder: Path
    paid = Bundle("paid")
    held = Bundle("held")

    @initialize()
    def switch_on(self) -> None:
        """A funded market; the template is made once for all runs."""
        if not hasattr(LedgerMachine, "template"):
            LedgerMachine.template_folder = Path(tempfile.mkdtemp())
            LedgerMachine.template = Template.make(LedgerMachine.template_folder)
        self.folder = Path(tempfile.mkdtemp())
        self.machine = Machine(self.template, self.folder, random.Random(0))
        self.n_own = 0

    def teardown(self) -> None:
        """The audit agrees; then give everything back."""
        if hasattr(self, "machine"):
            self.machine.check_everything()
            self.machine.close()
            shutil.rmtree(self.folder)

    @rule(deed=deeds)
    def do(self, deed: Deed) -> None:
        """Answers are compared inside."""
        self.machine.serve([deed], "none")

    @rule(target=paid, legs=payments(rich))
    def pay(self, legs: Legs) -> str:
        """A payment under a key of its own, to be refunded."""
        return self.do_own(lambda key: Pay(key, legs))

    @rule(target=held, payer=spenders, amount=amounts, seconds=st.floats(1.0, 300.0))
    def hold(self, payer: str, amount: int, seconds: float) -> str:
        """A hold under a key of its own, to be resolved."""
        until = self.machine.now + seconds
        return self.do_own(lambda key: Hold(key, payer, amount, until))

    @rule(target=paid, hold=held, legs=st.lists(st.tuples(payees, amounts), min_size=1, max_size=2))
    def post(self, hold: str, legs: list[tuple[str, int]]) -> str:
        """Perhaps too much, too late or a second time; what is posted can be refunded."""
        return self.do_own(lambda key: PostHold(key, hold, tuple(legs)))

    @rule(hold=held)
    def void(self, hold: str) -> None:
        """Perhaps a second time."""
        self.do_own(lambda key: VoidHold(key, hold))

    @rule(payment=paid, amounts=st.lists(st.none() | amounts, min_size=1, max_size=4))
    def refund(self, payment: str, amounts: list[int | None]) -> None:
        """Again and again, until more is asked for than is left."""
        for amount in amounts:
            self.do_own(lambda key, amount=amount: Refund(key, payment, amount))

    @rule(good=payments(rich), other=payments(), after=payments(rich))
    def link(self, good: Legs, other: Legs, after: Legs) -> None:
        """A linked group, perhaps refused half way, leaves no trace for its neighbour to find."""
        first, second, third = (f"link-{self.n_own}-{number}" for number in range(3))
        self.n_own += 1
        group = Linked((Pay(first, good), Pay(second, other)))
        self.machine.serve([group, Pay(third, after)], "none")

    def do_own(self, deed_of: Callable[[str], Deed]) -> str:
        """Do a deed under a key that nothing else uses."""
        self.n_own += 1
        key = f"own-{self.n_own}"
        self.machine.serve([deed_of(key)], "none")
        return key

    @rule(deed=deeds)
    def do_twice(self, deed: Deed) -> None:
        """A repeat in the same commit, and one after it, answers the same and moves nothing."""
        self.machine.serve([deed, deed], "none")
        self.machine.serve([deed], "none")

    @rule(group=st.lists(deeds, min_size=2, max_size=6))
    def do_together(self, group: list[Deed]) -> None:
        """Many deeds in one commit stand alone: a refused one takes nobody with it."""
        self.machine.serve(group, "none")

    @rule(group=st.lists(deeds, min_size=1, max_size=3), fate=st.sampled_from(["before", "after"]))
    def do_and_lose_power(self, group: list[Deed], fate: Fate) -> None:
        """All of a commit is there afterwards, or nothing."""
        self.machine.serve(group, fate)

    @rule(seconds=st.floats(0.1, 200.0))
    def wait(self, seconds: float) -> None:
        """Holds come of age."""
        self.machine.now += seconds

    @invariant()
    def rows_are_the_models(self) -> None:
        """Balances, holds, caps, postings and numbers; nothing created, nobody below zero."""
        if not hasattr(self, "machine"):
            return
        self.machine.check_rows()
        accounts = self.machine.model.accounts
        assert sum(one.balance for one in accounts.values()) == 0
        assert accounts[ESCROW].balance == 0
        assert all(one.balance >= one.held >= 0 for name, one in accounts.items() if name != WORLD)
        assert all(one.cap is None or one.spent + one.held <= one.cap for one in accounts.values())

    @classmethod
    def forget_template(cls) -> None:
        """Called once, after all runs."""
        shutil.rmtree(cls.template_folder, ignore_errors=True)


class TestLedgerMachine(LedgerMachine.TestCase):  # type: ignore[misc, valid-type]
    """The machine as a test case."""

    settings = settings(max_examples=30, stateful_step_count=30, deadline=None, derandomize=True)

    @classmethod
    def tearDownClass(cls) -> None:
        """Leave no folder behind."""
        super().tearDownClass()
        LedgerMachine.forget_template()
