"""The tables, and the engine that reaches them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from sqlalchemy import Engine, ForeignKey, UniqueConstraint, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

T = TypeVar("T")

MAX_TRIES = 10


class Base(DeclarativeBase):
    pass


class Event(Base):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    seats: Mapped[int]
    bookings: Mapped[list[Booking]] = relationship(back_populates="event")


class Booking(Base):
    __tablename__ = "bookings"
    __table_args__ = (UniqueConstraint("event_id", "guest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    guest: Mapped[str]
    event: Mapped[Event] = relationship(back_populates="bookings")


@cache
def engine() -> Engine:
    return create_engine(os.environ.get("DATABASE_URL", "sqlite+sldb:///bookings?create=true"))


def in_transaction(work: Callable[[Session], T]) -> T:
    """Return what `work` does in one transaction. It is run again if it meets the transaction of another request."""
    for left in reversed(range(MAX_TRIES)):
        try:
            with Session(engine(), expire_on_commit=False) as session, session.begin():
                return work(session)
        except OperationalError as error:
            if not (left and getattr(error.orig, "retryable", False)):
                raise
    raise AssertionError("unreachable")
