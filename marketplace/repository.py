"""The two questions that every change asks first: whose account, and which epoch."""

from sqlmodel import Session, func, select

from marketplace.epoch import Epoch
from marketplace.statement import find_account as account

__all__ = ["account", "current_epoch"]


def current_epoch(session: Session) -> int:
    """Number of the running epoch."""
    return session.exec(select(func.max(Epoch.number))).one()
