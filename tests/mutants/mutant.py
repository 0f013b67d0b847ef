"""A mutation: the removal of an invariant from the code, and the tests that must fail because of it."""

from __future__ import annotations

from dataclasses import dataclass

STORAGE = "tests/lambda_handlers/storage/"
LOCKS = "tests/lambda_handlers/locks/"
ACTIONS = "tests/lambda_handlers/actions/"
SERVER = "tests/lambda_handlers/"

# What docs/storage.md numbers, and what else is promised.
INVARIANTS = {
    "1": "only a conditional create writes a transaction; nothing is overwritten",
    "2": "n + 1 is created only from a state that was read completely at n",
    "3": "an ambiguous answer is resolved by reading back",
    "4": "nothing goes that somebody may still need",
    "5": "a copy is current only while somebody looked lately",
    "6": "txids of a name never restart",
    "7": "local pages are disposable",
    "8": "a page that is fetched is compared with a checksum before it is used",
    "9": "what is merged is what it was merged from",
    "10": "what is copied is what was there, or nothing is made of it",
    "once": "a request with an id is applied once",
    "queue": "each message of a queue is applied once, in its order, or comes back; none suffers from another",
    "sql": "a request does what SQLite would do statement by statement, or says so; what destroys is told",
    "seen": "a transaction over several requests commits only where it shows its client what that has seen",
    "pin": "statements that run again under a pin show the same, and without one no two do",
    "lock": "a lock is freed by its id and its age alone",
    "work": "maintenance finds every database with work, loses none, and asks nothing of the others",
    "names": "a list of databases shows none that was dropped, and hides none that is there",
    "turns": "without a lock, what takes long gets through, and no writer waits long for it",
    "disk": "over a directory, what is acknowledged is on the disk",
    "secret": "a reply names no role, account, bucket or address",
    "stack": "a function does nothing for another stack",
    "create": "a write that must not create its database does not, whatever happens meanwhile",
    "listings": "a part of a long log answers a question as all of it would",
    "clock": "a step of a clock moves no moment of the past, and no time that comes after it",
    "token": "a token is believed only as the stack made it, and its transaction is committed once",
    "time": "a request ends before its function, and its lock before another's",
    "cancel": "a mark stops its own request soon, no other one, and none that has sent its commit; short ones cost nothing",
    "callers": "a caller reads and writes within its rights, and no request of one meets that of another",
    "after": "work after a reply changes nothing that it says, and is finished before the next request",
    "reader": "a function that only reads writes to no database, whatever is asked of it, and says so",
    "front": "a caller of the API is the one that its front has identified, with the rights of its entry, and soon none",
    "http": "a response over HTTP is the whole one of the request, or an error that tells what holds; no part of it is lost",
    "stream": "a stream of SQL over HTTP is what its baton holds, and a baton is believed in nothing that it may not say",
    "few": "a read requests little beside what it needs, in few rounds",
    "known": "a request with min_txid is answered from that state or a newer one",
    "undo": "undo and redo go along the writes one by one, take back only what was shown, and are steps themselves",
    "notes": "a note is of its own transaction, and whole",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    invariant: str  # a key of INVARIANTS
    path: str  # below the root
    before: str  # exact text, found once
    after: str
    tests: tuple[str, ...]  # for pytest; at least one fails
