"""Input checks, made before any work starts; each error names the argument, rule and value."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import operator
import reprlib
from collections.abc import Iterable
from numbers import Real
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Class = TypeVar("_Class", bound=type)

#: Types annotated with the interval or minimum for `check_real` and `check_integer`.
Positive = Annotated[float, "(0, inf)"]
Count = Annotated[int, 1]


def check_real(name: str, value: Any, interval: str = "(0, inf)") -> None:
    """Raise unless ``value`` is a finite real number in ``interval``, such as ``"(0, 1]"``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number in {interval}, got {_show(value)}")
    low, high = (float(end) for end in interval[1:-1].split(","))
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    above = number > low if interval[0] == "(" else number >= low
    below = number < high if interval[-1] == ")" else number <= high
    if not (math.isfinite(number) and above and below):
        raise ValueError(f"{name} must be a finite number in {interval}, got {_show(value)}")


def check_integer(name: str, value: Any, minimum: int = 1) -> int:
    """Return ``value`` as an ``int``; raise unless it is at least ``minimum`` and fits 64 bits."""
    try:
        number = operator.index(value)
    except TypeError:
        number = minimum - 1
    if isinstance(value, (bool, np.bool_)) or number < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {_show(value)}")
    if number >= 2**63:
        raise ValueError(f"{name} must be an integer below 2**63, got {_show(value)}")
    return number


def check_bool(name: str, value: Any) -> None:
    """Raise unless ``value`` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {_show(value)}")


def check_burn_in(burn_in: int, n_slots: int, name: str = "burn_in") -> None:
    """Raise unless ``burn_in`` leaves at least one of ``n_slots`` to measure."""
    if check_integer(name, burn_in, minimum=0) >= n_slots:
        raise ValueError(f"{name} must be less than the {n_slots} slots, got {burn_in!r}")


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise unless ``value`` is one of ``choices``; suggest the nearest one."""
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        hint = nearest(value, choices)
        raise ValueError(f"{name} must be one of {listed}, got {_show(value)}{hint}")


def check_instance(name: str, value: Any, kind: type) -> None:
    """Raise unless ``value`` is an instance of ``kind``."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {_show(value)}")


def check_array(name: str, value: ArrayLike, interval: str) -> NDArray[np.float64]:
    """Return ``value`` as a float array; raise unless it is finite and inside ``interval``."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of unequal length
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be an array of real numbers, got {_show(value)}")
    if np.ma.is_masked(value):
        raise ValueError(f"{name} must be an array without masked values, got {_show(value)}")
    array = array.astype(float, copy=False)
    low, high = (float(end) for end in interval[1:-1].split(","))

    def allows(values: Any) -> Any:
        above = values > low if interval[0] == "(" else values >= low
        below = values < high if interval[-1] == ")" else values <= high
        return np.isfinite(values) & above & below

    # Check minimum and maximum first: that needs no temporary arrays, and NaN shows in both.
    if array.size and not (allows(array.min()) and allows(array.max())):
        bad = ~allows(array)
        where = f" at index {int(np.argmax(bad))}" if array.ndim == 1 else ""
        first = float(array[bad].flat[0])
        raise ValueError(f"{name} must be finite and in {interval}, got {first!r}{where}")
    return array


def check_typed(name: str, value: Any, kind: Any) -> None:
    """Raise unless ``value`` is of a type such as `Positive`, ``Literal``, ``list`` or a class.

    A single value is accepted in place of a list; a list must not be empty or hold a value twice.
    """
    origin, details = get_origin(kind), get_args(kind)
    if origin is Annotated:
        check = check_real if details[0] is float else check_integer
        check(name, value, details[1])
    elif origin is Literal:
        check_choice(name, value, details)
    elif origin is list:
        if not isinstance(value, (list, tuple, np.ndarray)):
            return check_typed(name, value, details[0])
        for index, item in enumerate(value):
            check_typed(f"{name}[{index}]", item, details[0])
        if not 0 < len(value) == len(set(value)):
            raise ValueError(f"{name} must hold at least one value, none twice, got {_show(value)}")
    elif origin in (Union, UnionType):
        if value is not None:
            check_typed(name, value, details[0])
    else:
        check_instance(name, value, kind)


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass, as `check_typed` takes it."""
    return get_type_hints(cls, include_extras=True)


_SHORT = reprlib.Repr()
_SHORT.maxother = 60  # long enough for any NumPy scalar


def _show(value: Any) -> str:
    """Return a value as one line of moderate length."""
    return " ".join(_SHORT.repr(value).split())


def nearest(value: Any, choices: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest of ``choices``, or nothing."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(value).lower(), by_lower, n=1, cutoff=0)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def suggest_fields(cls: _Class) -> _Class:
    """Make the dataclass ``cls`` suggest the nearest field when it gets an unknown one."""
    names = [field.name for field in dataclasses.fields(cls)]
    init = cls.__init__  # type: ignore[misc]

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in names:
                hint = nearest(name, names)
                raise TypeError(f"{cls.__name__} has no field {name!r}{hint}")
        init(self, *args, **kwargs)

    cls.__init__ = __init__  # type: ignore[misc]
    return cls
