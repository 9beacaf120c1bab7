import copy
import gc
import pickle
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.errors import ArgumentError
from cnncli.values import Value, remembered


class Point(Value):
    x: int
    y: int = 0


class Named(Point):
    name: str = ""


class Positive(Value):
    size: int

    def validate(self):
        if self.size < 1:
            raise ArgumentError("size must be positive")
        self.normalize(size=int(self.size))


numbers = st.integers()


@given(numbers, numbers)
def test_fields_come_by_place_or_by_name(x, y):
    assert Point(x, y) == Point(x, y=y) == Point(y=y, x=x)
    assert (Point(x, y).x, Point(x, y).y) == (x, y)


@given(numbers, numbers)
def test_equal_values_have_equal_hashes_and_their_text_makes_them_again(x, y):
    point = Point(x, y)
    assert hash(point) == hash(Point(x, y))
    assert eval(repr(point)) == point
    assert pickle.loads(pickle.dumps(point)) == copy.deepcopy(point) == point


def test_values_of_different_classes_differ():
    assert Point(1) != Named(1)
    assert Point(1) != (1, 0)


def test_inherited_fields_come_first():
    assert Named(1, 2, "a") == Named(x=1, y=2, name="a")
    assert Named.fields == ("x", "y", "name")


def test_a_value_never_changes():
    point = Point(1)
    with pytest.raises(AttributeError, match="replace"):
        point.x = 2
    with pytest.raises(AttributeError):
        del point.x
    assert point.replace(x=2) == Point(2)
    assert point == Point(1)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((), {"y": 2}), ((1, 2), {"z": 1})],
)
def test_wrong_arguments_are_a_type_error(args, kwargs):
    with pytest.raises(TypeError, match="Point"):
        Point(*args, **kwargs)


def test_values_are_checked_and_settled_however_they_are_made():
    with pytest.raises(ArgumentError):
        Positive(0)
    with pytest.raises(ArgumentError):
        Positive(1).replace(size=-1)
    assert type(Positive(True).size) is int


def test_only_fields_are_normalized():
    class Cached(Value):
        size: int

        def validate(self):
            self.normalize(area=self.size**2)

    with pytest.raises(TypeError, match="Cached has no area"):
        Cached(2)


def test_a_function_remembers_its_last_result_as_long_as_the_value_lives():
    calls = []

    @remembered
    def scaled(point, factor):
        calls.append(factor)
        return point.x * factor

    point = Point(3)
    assert [scaled(point, 2), scaled(point, 2), scaled(point, 5), scaled(Point(3), 5)] == [6, 6, 15, 15]
    assert calls == [2, 5, 5]
    assert vars(point) == {"x": 3, "y": 0}
    reference = weakref.ref(point)
    del point
    gc.collect()
    assert reference() is None


def test_a_value_at_the_place_of_one_that_is_gone_has_results_of_its_own():
    @remembered
    def doubled(point):
        return 2 * point.x

    assert [doubled(Point(x)) for x in range(200)] == [2 * x for x in range(200)]
