"""What falls due is settled without anybody asking."""

import asyncio

from marketplace.service.change import do_chores


def test_due_hold_is_released_by_the_chores(hosted):
    """A hold whose time is over gives its credits back at the next turn."""
    hosted.member("ada", "5")
    now = hosted.market._now()
    hosted.market.hold(
        payer="ada", amount_nanos=10**9, purpose="test", expires_at=now + 2.0, key="hold"
    )
    assert hosted.market.account("ada").held_nanos == 10**9
    for _ in range(5):
        hosted.market._now()  # the clock ticks when somebody looks
    asyncio.run(do_chores(hosted.service))
    assert hosted.market.account("ada").held_nanos == 0


def test_failing_chore_is_logged_and_stops_nothing(hosted, monkeypatch):
    """A broken settlement ends neither the service nor the next turn."""
    monkeypatch.setattr(hosted.market, "sweep", lambda: 1 // 0, raising=False)
    asyncio.run(do_chores(hosted.service))
    assert any(line["event"] == "chore failed" for line in hosted.logged())
    assert hosted.client.get("/ready").status_code == 200


def test_nobody_waits_for_the_first_search(hosted):
    """After a start, and after an epoch, the listings were read before somebody asks."""
    for _ in range(2):
        hosted.market.close_epoch()
        asyncio.run(do_chores(hosted.service))
        with hosted.market._read() as session:
            assert hosted.market._searcher._shelf.is_of_epoch(session)
