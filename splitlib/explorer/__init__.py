"""The slider panel: move V and β and watch the controller adapt.

The panel runs the whole simulation in the browser, from the same source as `splitlib.simulate`
(see `splitlib.explorer.transpile`) and on the trace of `splitlib.page_trace`. It therefore works
on a page without a kernel; if there is a kernel, Python and the sliders stay in sync. It needs
``pip install splitlib[explorer]``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import anywidget
import ipywidgets
import traitlets

from splitlib import mrg32k3a, policies
from splitlib._check import check_burn_in, check_choice, check_instance, check_integer, check_real
from splitlib.channel import SPEED_OF_LIGHT
from splitlib.explorer.transpile import to_javascript
from splitlib.loop import Rule
from splitlib.scenario import Scenario
from splitlib.simulate import SETTLED_TOLERANCE, Result, simulate
from splitlib.trace import Trace, page_trace

_FOLDER = Path(__file__).parent

#: Weights V of the trade-off curve, in s²/J.
CURVE_V = [float(f"{digit}e{power}") for power in range(-4, 2) for digit in (1, 3)] + [100.0]


class _Slider(NamedTuple):
    """A slider: the value it controls, and its range in its own unit."""

    field: str  # of the scenario, or V
    trait: str  # of the panel
    per_si: float  # slider units per SI unit
    label: str
    spoken: str
    low: float
    high: float
    step: float  # in decades on a log scale
    log: bool
    readout: str

    def widget(self) -> ipywidgets.Widget:
        """Return the standard widget, not yet set to its value."""
        scale = math.log10 if self.log else float
        make = ipywidgets.FloatLogSlider if self.log else ipywidgets.FloatSlider
        slider = make(
            value=self.high,
            min=scale(self.low),
            max=scale(self.high),
            step=self.step,
            description=self.label,
            tooltip=self.spoken,
            readout_format=self.readout,
            # The panel itself follows a drag. With continuous updates, the slider would round
            # every value to its nearest step, even if nobody touches it.
            continuous_update=False,
            style={"description_width": "104px"},
        )
        slider.add_class(f"splitlib-{self.trait}")
        return slider

    def from_si(self, value: float) -> float:
        """Return a value of the scenario in the slider's unit, without rounding noise."""
        short = float(f"{value * self.per_si:.12g}")
        return short if short / self.per_si == value else float(value * self.per_si)

    def move(self, slider: ipywidgets.Widget, value: float) -> None:
        """Set the slider to a value, and extend its range if needed."""
        at = math.log10(value) if self.log else value
        slider.min, slider.max = min(slider.min, at), max(slider.max, at)
        slider.value = value


_SLIDERS = (
    _Slider("V", "V", 1, "V (s²/J)", "V, weight of energy", 1e-4, 100, 0.02, True, ".3g"),
    _Slider(
        "path_loss_exponent", "path_loss_exponent", 1, "β", "β, path-loss exponent",
        2, 6, 0.05, False, ".2f",
    ),
    _Slider(
        "alpha_max", "alpha_max", 1, "α_max", "α_max, largest availability of the host",
        1e-3, 1, 0.02, True, ".3g",
    ),
    _Slider(
        "arrival_rate", "arrival_rate", 1, "λ (images/slot)", "λ, mean number of images per slot",
        0, 40, 0.5, False, ".1f",
    ),
    _Slider(
        "distance", "distance", 1, "distance (m)", "distance, in metres", 1, 200, 1, False, ".0f"
    ),
    _Slider(
        "d_avg", "d_avg_ms", 1e3, "D_avg (ms)", "limit of the mean delay, in milliseconds",
        5, 200, 1, False, ".0f",
    ),
    _Slider(
        "d_max", "d_max_ms", 1e3, "D_max (ms)", "delay of an outage, in milliseconds",
        5, 500, 5, False, ".0f",
    ),
    _Slider(
        "epsilon", "epsilon", 1, "ε", "ε, limit of the outage probability",
        0, 0.2, 0.001, False, ".3f",
    ),
    _Slider(
        "p_max", "p_max_mw", 1e3, "p_max (mW)", "largest transmit power, in milliwatts",
        10, 1000, 0.02, True, ".3g",
    ),
)  # fmt: skip


class _Panel(anywidget.AnyWidget):
    """The part that simulates and draws. All its input is in its traits."""

    _esm = (
        f"const WORKER = {json.dumps(to_javascript() + (_FOLDER / 'worker.js').read_text())};\n"
        + (_FOLDER / "view.js").read_text()
    )
    _css = (_FOLDER / "style.css").read_text()

    # Values of the sliders, each in its own unit.
    V = traitlets.Float().tag(sync=True)
    path_loss_exponent = traitlets.Float().tag(sync=True)
    alpha_max = traitlets.Float().tag(sync=True)
    arrival_rate = traitlets.Float().tag(sync=True)
    distance = traitlets.Float().tag(sync=True)
    d_avg_ms = traitlets.Float().tag(sync=True)
    d_max_ms = traitlets.Float().tag(sync=True)
    epsilon = traitlets.Float().tag(sync=True)
    p_max_mw = traitlets.Float().tag(sync=True)
    initial = traitlets.Dict().tag(sync=True)  # values that "reset" restores
    more = traitlets.Bool(False).tag(sync=True)  # whether all sliders show, not only the first two

    rivals: Any = traitlets.List().tag(sync=True)  # names of the policies drawn as well

    # Values that no slider changes.
    sliders = traitlets.Dict().tag(sync=True)
    split_names: Any = traitlets.List().tag(sync=True)
    constants = traitlets.Dict().tag(sync=True)
    policies = traitlets.Dict().tag(sync=True)
    offered: Any = traitlets.List().tag(sync=True)  # names of possible rivals, in order
    python_only: Any = traitlets.List().tag(
        sync=True
    )  # labels of the policies that the page cannot run
    curve_V: Any = traitlets.List().tag(sync=True)
    tolerance = traitlets.Float().tag(sync=True)
    n_slots = traitlets.Int().tag(sync=True)
    burn_in = traitlets.Int().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    state: Any = traitlets.List().tag(sync=True)


class Explorer(ipywidgets.VBox):
    """A panel with sliders that runs the simulation at each move; a standard widget.

    Parameters
    ----------
    scenario : Scenario, optional
        Initial values of the sliders, and all values without a slider; by default the paper's. Its
        arrival rate may be at most `splitlib.mrg32k3a.MAX_ARRIVAL_RATE`.
    V : float
        Initial value of V, in s²/J, positive.
    n_slots, burn_in : int
        As for `splitlib.simulate`.
    seed : int
        As for `splitlib.page_trace`.
    rivals : sequence of str
        Other policies to draw and list beside the adaptive one, see `Explorer.rivals`.

    Attributes
    ----------
    panel : anywidget.AnyWidget
        The part that simulates and draws. Its traits hold the values of the sliders, each in the
        slider's unit: ``explorer.panel.observe(handler, "V")`` calls ``handler`` at each move.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> explorer = Explorer(Scenario(alpha_max=0.1), n_slots=50_000)
    >>> explorer.V = 1.0
    >>> result = explorer.result()
    >>> result.mean_delay < explorer.scenario.d_avg
    True
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        V: float = 3.0,
        *,
        n_slots: int = 200_000,
        burn_in: int = 10_000,
        seed: int = 1,
        rivals: Sequence[str] = (),
    ) -> None:
        scenario = Scenario() if scenario is None else scenario
        _check_scenario(scenario)
        check_real("V", V)
        n_slots = check_integer("n_slots", n_slots)
        check_burn_in(burn_in, n_slots)
        seed = check_integer("seed", seed, minimum=0)
        self.panel = _Panel(
            sliders={
                slider.trait: {
                    "field": slider.field,
                    "per_si": slider.per_si,
                    "label": slider.spoken,
                    "log": slider.log,
                }
                for slider in _SLIDERS
            },
            curve_V=CURVE_V,
            tolerance=SETTLED_TOLERANCE,
            n_slots=n_slots,
            burn_in=burn_in,
            seed=seed,
            state=mrg32k3a.initial_state(seed),
        )  # fmt: skip
        self._sliders = {slider.trait: slider.widget() for slider in _SLIDERS}
        self.V, self.scenario, self.rivals = V, scenario, rivals
        more = ipywidgets.ToggleButton(
            description="more sliders",
            tooltip="availability, load, distance, limits and power",
            layout=ipywidgets.Layout(width="110px"),
        )
        # Links in the browser, because they must work without a kernel.
        self._links = [
            ipywidgets.jslink((slider, "value"), (self.panel, trait))
            for trait, slider in self._sliders.items()
        ]
        self._links.append(ipywidgets.jslink((more, "value"), (self.panel, "more")))
        first, second, *others = self._sliders.values()
        main, rest = ipywidgets.HBox([first, second, more]), ipywidgets.VBox(others)
        main.add_class("splitlib-main")
        rest.add_class("splitlib-more")
        super().__init__([main, rest, self.panel])
        self.add_class("splitlib-panel")

    @property
    def V(self) -> float:
        """Weight of energy, in s²/J; setting it moves the slider."""
        return float(self.panel.V)

    @V.setter
    def V(self, value: float) -> None:
        check_real("V", value)
        self._move({"V": float(value)})

    @property
    def scenario(self) -> Scenario:
        """The scenario set by the sliders; setting it moves them."""
        moved = {
            slider.field: getattr(self.panel, slider.trait) / slider.per_si
            for slider in _SLIDERS
            if slider.field != "V"
        }
        # 10 to the power of a slider's lower end may be a rounding error below these.
        moved["p_max"] = max(moved["p_max"], self._scenario.p_min)
        moved["alpha_max"] = max(moved["alpha_max"], self._scenario.alpha_min)
        return dataclasses.replace(self._scenario, **moved)

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        _check_scenario(scenario)
        self._scenario = scenario
        with self.panel.hold_sync():
            self.panel.split_names = list(scenario.network.split_names)
            self.panel.constants = {
                "wavelength": SPEED_OF_LIGHT / scenario.carrier_frequency,
                "bandwidth": scenario.bandwidth,
                "noise_power": scenario.noise_psd * scenario.bandwidth,
                "p_min": scenario.p_min,
                "path_loss": scenario.path_loss,
                "fading_power": scenario.fading_power,
                "alpha_min": scenario.alpha_min,
                "split_by_surrogate": scenario.split_objective == "surrogate",
                "energy_per_slot": scenario.local_energy_per == "slot",
                "full_local_energy": float(scenario.profile.local_energy[-1]),
            }
            self.panel.policies, self.panel.python_only = _policies_of(scenario)
            self.panel.offered = [name for name in self.panel.policies if name not in _ALWAYS_DRAWN]
            self.panel.rivals = self._offered(self.rivals)
            chosen = self._offered(self.panel.initial.get("rivals", []))
            self.panel.initial = {**self.panel.initial, "rivals": chosen}
            power = self._sliders["p_max_mw"]
            lowest = math.log10(scenario.p_min * 1e3)
            power.max = max(power.max, lowest)
            power.min = lowest
            self._sliders["alpha_max"].min = math.log10(max(1e-3, scenario.alpha_min))
            self._move(
                {
                    slider.trait: slider.from_si(getattr(scenario, slider.field))
                    for slider in _SLIDERS
                    if slider.field != "V"
                }
            )

    @property
    def rivals(self) -> list[str]:
        """Names of the policies drawn beside the adaptive one; setting it changes them.

        Any of `splitlib.POLICIES` except the three that are always drawn and those for which the
        network is too short. The page cannot run policies that decide slot by slot in Python, or
        that look at the trace without a `splitlib.policies.Hindsight`; it lists their names.
        """
        return list(self.panel.rivals)

    @rivals.setter
    def rivals(self, names: Sequence[str]) -> None:
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise TypeError(f"rivals must be a sequence of names of policies, got {names!r}")
        for name in names:
            policy = policies.POLICIES.get(name)
            if policy and policy.label in self.panel.python_only:
                raise ValueError(f"rivals must be policies that a page can run, not {name!r}")
            check_choice("rivals", name, self.panel.offered)
        if len(set(names)) < len(names):
            raise ValueError(f"rivals must not hold a name twice, got {names!r}")
        self.panel.rivals = self._offered(names)
        self.panel.initial = {**self.panel.initial, "rivals": self.rivals}

    def _offered(self, names: Sequence[str]) -> list[str]:
        """Return those ``names`` that the page offers, in its order."""
        return [name for name in self.panel.offered if name in names]

    def _move(self, values: dict[str, float]) -> None:
        """Set sliders and panel to ``values``, which "reset" then restores."""
        for slider in _SLIDERS:
            if slider.trait in values:
                # The panel first, so that a late answer from the page agrees with the slider.
                setattr(self.panel, slider.trait, values[slider.trait])
                slider.move(self._sliders[slider.trait], values[slider.trait])
        self.panel.initial = {**self.panel.initial, **values}

    @property
    def trace(self) -> Trace:
        """The trace in use, including burn-in."""
        return page_trace(self.scenario, self.panel.n_slots, self.panel.seed)

    def result(self) -> Result:
        """Return the result of `splitlib.simulate` for exactly the values shown."""
        return simulate(self.scenario, self.trace, V=self.V, burn_in=self.panel.burn_in)


#: Policies that are always drawn.
_ALWAYS_DRAWN = ("adaptive", "full_offloading", "full_local")


class _Unseen:
    """Placeholder for a trace; raises `_NeedsTrace` on any access."""

    def __getattr__(self, name: str) -> NoReturn:
        raise _NeedsTrace


class _NeedsTrace(Exception):
    """A policy registered without `splitlib.policies.Hindsight` looks at the trace."""


def _rules_of(policy: policies.Policy, scenario: Scenario) -> list[Rule] | None:
    """Return the rules with which the page can run a policy, or None if it cannot."""
    if policy.hindsight:
        return policy.hindsight.rules(scenario)
    try:
        rule = policy(scenario, cast(Trace, _Unseen()))
    except _NeedsTrace:
        return None
    return [rule] if isinstance(rule, Rule) else None


def _policies_of(scenario: Scenario) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return as data all policies that the page can run, and the labels of the others.

    Policies for which the network is too short are left out.
    """
    followed, others = {}, []
    for name, policy in policies.POLICIES.items():
        try:
            rules = _rules_of(policy, scenario)
        except ValueError:
            continue
        if rules is None:
            others.append(policy.label)
            continue
        followed[name] = {
            "label": policy.label,
            "choice": policy.hindsight.choice if policy.hindsight else "",
            "rules": [_as_data(rule) for rule in rules],
        }
    return followed, others


def _as_data(rule: Rule) -> dict[str, Any]:
    """Return a rule as data for the page; the sliders set the limits."""
    names = "local_delay", "remote_delay", "offload_bits", "local_energy"
    return {
        "splits": rule.splits.tolist(),
        "costs": {name: getattr(rule, name).tolist() for name in names},
        "rate": rule.rate,
        "virtual_queues": rule.virtual_queues,
        "prices": [rule.energy_price, rule.delay_price, rule.outage_price],
        "deadline": rule.deadline,
        "stage_limit": rule.stage_limit,
    }


def _check_scenario(scenario: Scenario) -> None:
    check_instance("scenario", scenario, Scenario)
    check_real("arrival_rate", scenario.arrival_rate, f"[0, {mrg32k3a.MAX_ARRIVAL_RATE}]")
