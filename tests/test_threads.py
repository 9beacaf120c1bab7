"""A function over many things on threads."""

import threading

import pytest

from cnncli.threads import cores, mapped


def test_there_is_a_core():
    assert cores() >= 1


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_things(threads):
    assert list(mapped(str, range(50), threads, ahead=2 * threads)) == [str(number) for number in range(50)]


def test_results_come_as_they_are_finished_where_order_does_not_matter():
    second_is_taken = threading.Event()

    def work(number):
        assert number or second_is_taken.wait(60)
        return number

    results = mapped(work, [0, 1], 2, ahead=2, in_order=False)
    assert next(results) == 1
    second_is_taken.set()
    assert list(results) == [0]


def test_no_more_things_are_taken_than_asked_for():
    taken = []

    def things():
        for number in range(100):
            taken.append(number)
            yield number

    results = mapped(str, things(), 2, ahead=3)
    for number in range(10):
        assert next(results) == str(number)
        assert len(taken) <= number + 3


def test_first_error_ends_it_and_what_waits_is_not_begun():
    begun = []

    def work(number):
        begun.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        list(mapped(work, range(100), 1, ahead=2))
    assert len(begun) <= 2


def test_who_stops_reading_stops_the_work():
    begun = []
    results = mapped(begun.append, range(100), 1, ahead=2)
    next(results)
    results.close()
    assert len(begun) <= 3
