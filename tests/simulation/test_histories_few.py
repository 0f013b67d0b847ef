"""The first histories of the twelve hundred: `make test` runs them, `make histories` all."""

from __future__ import annotations

from tests.simulation.histories.cases import check_seeds


def test_every_promise_holds() -> None:
    check_seeds(range(20))


def test_the_copy_of_a_database_that_was_given_up_is_checked() -> None:
    """b1 is left unfinished, dropped, made anew and renamed: its first transactions were never there to be read."""
    check_seeds(range(700123, 700124))


def test_every_promise_holds_for_interactive_transactions() -> None:
    check_seeds(f"t{number}" for number in range(5))


def test_every_promise_holds_over_a_directory_on_nfs() -> None:
    check_seeds(f"n{number}" for number in range(5))


def test_every_promise_holds_with_work_after_replies() -> None:
    check_seeds(f"a{number}" for number in range(5))


def test_every_promise_holds_with_an_extension() -> None:
    check_seeds(f"e{number}" for number in range(5))


def test_every_promise_holds_with_the_log_in_a_bucket_of_its_own() -> None:
    """In x114, one damaged LIST showed the lock's object four days too early."""
    check_seeds(("x0", "x1", "x114"))
