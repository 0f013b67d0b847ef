"""The check of stored objects at the end: damage in transit never becomes damage at rest (`at rest`).

Files themselves are compared page by page during the replay of the log (checker). This module checks the objects for
reading them: every page map, atlas and head ever written, by any writer, agrees with its files.
"""

from __future__ import annotations

from lambda_handlers.storage.log.keys import LtxName, atlas_key, head_key, parse_page_map_key
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.pages import atlas
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.pages.page_map import BadPageMap, PageMap
from lambda_handlers.storage.pages.page_map_binding import unbind
from lambda_handlers.wire import SldbError
from tests.simulation.checking.ledger import MOST_SKEW_SECONDS, Log
from tests.simulation.checking.states import met_damage
from tests.simulation.histories.outcome import Outcome
from tests.simulation.world.bucket import LATEST_SECONDS


def check(outcome: Outcome) -> None:
    """Add to the history's violations."""
    for database, log in outcome.ledger.logs.items():
        files = _files(log)
        for key, body, by in log.advice:
            if problem := _problem(database, key, body, files) or _claim(database, key, body, log):
                outcome.history.violate("at rest", f"{by} wrote {key}: {problem}")
        for by, what in log.heads_put_back:
            if not met_damage(outcome, by):  # who cannot read the head there may put an older one, with its older claim
                outcome.history.violate("at rest", f"{by} put {what}")


def _files(log: Log) -> dict[LtxName, list[bytes]]:
    """Return every body written under each name; a removed file may have been made again."""
    found: dict[LtxName, list[bytes]] = {}
    for entry in log.entries:
        found.setdefault(LtxName(0, entry.txid, entry.txid), []).append(entry.body)
    for name, body in log.compacted:
        found.setdefault(name, []).append(body)
    return found


def _problem(database: str, key: str, body: bytes, files: dict[LtxName, list[bytes]]) -> str:
    """Describe the fault of a page map, atlas or head; empty if there is none."""
    if key == head_key(database):
        return _problem_of_head(database, body, files)
    if key == atlas_key(database):
        maps = atlas.decode(body, database)
        return next(filter(None, (_problem_of_map(one, files.get(name, [])) for name, one in maps.items())), "")
    name = parse_page_map_key(database, key)
    if name is None or name not in files:  # of a copy, maps come before the base
        return ""
    return _problem_of_map(unbind(body, name, database), files[name])


def _problem_of_head(database: str, body: bytes, files: dict[LtxName, list[bytes]]) -> str:
    head = Head.decode(body, database)
    if head is None:
        return "it is no head"
    for file in head.files:
        sizes = [len(one) for one in files.get(file.name, ())]  # none: its create failed
        if sizes and file.size not in sizes:
            return f"it gives {file.name} {file.size} bytes, of which it has {sizes}"
        if file.name in head.copies and (problem := _problem_of_copy(database, file, head.copies[file.name], files)):
            return f"its copy of {file.name}: {problem}"
    return ""


def _problem_of_copy(database: str, file: HeadFile, body: bytes, files: dict[LtxName, list[bytes]]) -> str:
    """Describe the fault of a copy: it is the body of a small file, or the page map of a large one."""
    bodies = files.get(file.name, [])
    if not bodies or body in bodies:
        return ""
    return _problem_of_map(unbind(body, file.name, database), bodies)


def _claim(database: str, key: str, body: bytes, log: Log) -> str:
    """Describe a head's false claim about its time; empty if it is true: a reader relies on it for half an hour. Less
    than a quarter counts as none, because a pass may go by a LIST of that age; nor does what a zombie makes."""
    head = Head.decode(body, database) if key == head_key(database) else None
    if head is None or log.zombies or len(log.entries) <= head.txid:
        return ""
    late = head.checked_at - log.entries[head.txid].at
    if late <= LATEST_SECONDS + 2 * MOST_SKEW_SECONDS:
        return ""
    return f"it says that {head.txid} was the newest when the next one was {late:.1f} s old"


def _problem_of_map(body: bytes, files: list[bytes]) -> str:
    try:
        found = PageMap.decode(body)
    except BadPageMap as error:
        return str(error)
    fits = [file for file in files if len(file) == found.file_bytes]
    return "" if any(_is_of(found, file) for file in fits) else "it is that of no such file"


def _is_of(found: PageMap, file: bytes) -> bool:
    pages = dict(Decoder([file], "").pages())
    if list(found.pages()) != list(pages) or not all(pages[pgno] == page for pgno, page in found.carried):
        return False
    if not pages:
        return True
    begin, length = found.span(0, found.group_count - 1)
    try:
        frames = list(found.frames(file[begin : begin + length], 0, found.group_count - 1, ""))
    except SldbError:
        return False
    return {frame.pgno: frame.page for frame in frames} == pages
