"""A batch of uses under one key: the same batch again is welcome, another one is refused.

Every use has a key of its own and happens once by that. What the batch's key adds is that it
belongs to one list of uses; so it is claimed before the first of them, and they need not share its
transaction: a repeat after a crash finds the claim, and does what is left.
"""

from collections.abc import Sequence
from dataclasses import asdict

from sqlmodel import Session

from marketplace.idempotency import body_hash, canonical_body, claim
from marketplace.trading.usage import Charge


def claim_batch(session: Session, charges: Sequence[Charge], *, key: str, at: float) -> None:
    """Let the key belong to these uses, in this order.

    Raises:
        IdempotencyKeyReusedError: It belongs to something else.
    """
    uses = canonical_body({"charges": [asdict(one) for one in charges]})
    body: dict[str, object] = {"n_charges": len(charges), "sha256": body_hash(uses)}
    claim(session, key=key, operation="usage-batch", body=body, at=at)
