"""Promises of marketplace.trade.terms, on both databases."""

from marketplace.listing import catalogue
from marketplace.market import Market
from marketplace.trade import terms
from marketplace.trade.terms import goods
from tests.support.trading import put_up


def test_says_what_the_listing_and_its_terms_say(market_url: str) -> None:
    """One question, the same facts as the view and the terms of each listing."""
    with Market.open(market_url) as market:
        for name in ("bob", "tom"):
            market.open_account(name)
        put_up(market, "bob", "sort")
        put_up(market, "tom", "sort2", parents=["sort"])
        put_up(market, "tom", "sort3")
        for use_parts, key in ((7, "first"), (8, "then")):
            market.set_terms(
                owner="tom", listing="sort2", use_parts=use_parts, subscribable=False, key=key
            )
        market.withdraw(listing="sort3", by="tom", key="old")
        with market._read() as session:
            found = goods(session, ["sort", "sort2", "sort3", "none"])
            assert sorted(found) == ["sort", "sort2", "sort3"]
            for name, one in found.items():
                view = catalogue.listing_view(session, name)
                facts = (view.owner, view.digest, view.price_nanos, view.status)
                assert (one.owner, one.digest, one.price_nanos, one.status) == facts
                assert one.is_bred is bool(view.parents) and one.epoch == market.epoch()
                assert terms.terms_from(one, one.terms) == terms.terms_of(session, name)
