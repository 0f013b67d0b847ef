"""Folding: the schedule by which writers merge the newest transactions into one file.

A cold reader fetches every file after the last one that maintenance has merged. So that these stay few between two
maintenance passes, the writer of every 16th transaction since then folds recent transactions into one level-1 file: it
has their pages in its cache, so that folding costs one PUT and reads nothing. The choice of transactions is the
k-binomial transform (Bentley and Saxe, "Decomposable searching problems I", 1980; applied to compaction by Mathieu et
al., "Bigtable merge compaction", 2014): at most k files at any time, and the fewest bytes written again for that. With
u units of 16 transactions, written as u = C(d1, 1) + C(d2, 2) + … + C(dk, k), 0 <= d1 < d2 < … < dk, each summand is
the size of one file, the oldest being C(dk, k).

With k = 9, a page is written again at most twice in the first 54 units (864 transactions), three times in the first 219
(3,504), four times in the first 714 (11,424). The schedule depends on the txid alone, so that writers in different
containers continue each other's.
"""

from __future__ import annotations

from math import comb

from lambda_handlers.storage.log.ltx import Txid

UNIT = 16  # transactions
MAX_FILES = 9


def fold_after(txid: Txid, folds_from: Txid) -> Txid | None:
    """Return the transaction before the fold that ends with `txid`; None if no fold is due.

    `folds_from`: the last transaction in a merge of maintenance."""
    units, rest = divmod(txid - folds_from, UNIT)
    if rest or units < 1:
        return None
    return folds_from + UNIT * (units - _newest_file(units))


def _newest_file(units: int) -> int:
    """Return the last summand other than zero."""
    last = 0
    for degree in range(MAX_FILES, 0, -1):
        if units == 0:
            break
        root = degree
        while comb(root + 1, degree) <= units:
            root += 1
        if comb(root, degree) > units:  # every further summand is zero
            continue
        last = comb(root, degree)
        units -= last
    return last
