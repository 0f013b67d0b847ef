"""The application: events with seats, and guests who book them."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import Booking, Event, in_transaction

app = FastAPI(title="Bookings")


class NewEvent(BaseModel):
    name: str = Field(min_length=1)
    seats: int = Field(ge=0)


class NewBooking(BaseModel):
    guest: str = Field(min_length=1)


class EventOut(NewEvent):
    model_config = ConfigDict(from_attributes=True)

    id: int


class BookingOut(NewBooking):
    model_config = ConfigDict(from_attributes=True)

    id: int
    event_id: int


@app.post("/events", status_code=201)
def create_event(new: NewEvent) -> EventOut:
    def create(session: Session) -> Event:
        event = Event(name=new.name, seats=new.seats)
        session.add(event)
        return event

    return EventOut.model_validate(in_transaction(create))


@app.get("/events")
def list_events() -> list[EventOut]:
    events = in_transaction(lambda session: session.scalars(select(Event).order_by(Event.id)).all())
    return [EventOut.model_validate(event) for event in events]


@app.get("/events/{event_id}/bookings")
def list_bookings(event_id: int) -> list[BookingOut]:
    found = select(Booking).where(Booking.event_id == event_id).order_by(Booking.id)
    return [BookingOut.model_validate(each) for each in in_transaction(lambda session: session.scalars(found).all())]


@app.post("/events/{event_id}/bookings", status_code=201)
def book(event_id: int, new: NewBooking) -> BookingOut:
    def add(session: Session) -> Booking:
        event = session.get(Event, event_id)
        if event is None:
            raise HTTPException(404, "there is no such event")
        count = select(func.count()).where(Booking.event_id == event_id)
        mine = select(Booking).where(Booking.event_id == event_id, Booking.guest == new.guest)
        booking = session.scalar(mine)
        if booking is not None:  # a request that is sent again
            return booking
        if session.scalar(count) >= event.seats:
            raise HTTPException(409, "there is no seat left")
        booking = Booking(event_id=event_id, guest=new.guest)
        session.add(booking)
        return booking

    return BookingOut.model_validate(in_transaction(add))
