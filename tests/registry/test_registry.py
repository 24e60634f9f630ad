"""Plugins by name: found by metadata alone, built with checked parameters, and never two of one name."""

import dataclasses
from importlib.metadata import EntryPoint, entry_points
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import pytest

from benchmark import registry as module
from benchmark.errors import ClipdefenseError, UserError
from benchmark.registry import GROUPS, Registry, parameter_types, resolved

REGISTERED = [(kind, point.name) for kind, group in GROUPS.items() for point in entry_points(group=group)]


class Distribution:
    def __init__(self, name):
        self.name = name


def installed(monkeypatch, *points):
    """Lets the environment have these entry points, each (name, value, distribution), and no others."""
    found = []
    for name, value, distribution in points:
        point = EntryPoint(name=name, value=value, group="clipdefense.defenses")
        vars(point).update(dist=Distribution(distribution))
        found.append(point)
    monkeypatch.setattr(module, "entry_points", lambda group: found if group == "clipdefense.defenses" else [])


def test_two_plugins_of_one_name_are_refused_with_both_origins(monkeypatch):
    installed(monkeypatch, ("wash", "one.wash:Wash", "package-one"), ("wash", "two.wash:Wash", "package-two"))
    with pytest.raises(UserError, match=r"two defenses are named 'wash': 'package-one' .* 'package-two'"):
        Registry().entries("defense")


def test_one_plugin_that_is_seen_twice_is_one(monkeypatch):
    installed(monkeypatch, ("wash", "one.wash:Wash", "package"), ("wash", "one.wash:Wash", "package"))
    assert list(Registry().entries("defense")) == ["wash"]


def test_entries_are_not_imported(monkeypatch):
    installed(monkeypatch, ("wash", "nowhere.wash:Wash", "package"))
    registry = Registry()
    assert registry.entries("defense")["wash"].origin == "package"
    with pytest.raises(
        ClipdefenseError, match=r"defense 'wash' of 'package' cannot be loaded from 'nowhere.wash:Wash'"
    ):
        registry.load("defense", "wash")


def test_a_class_that_is_not_there(monkeypatch):
    installed(monkeypatch, ("wash", "benchmark.seeds:Wash", "package"))
    with pytest.raises(ClipdefenseError, match="cannot be loaded"):
        Registry().load("defense", "wash")


@pytest.mark.parametrize(("kind", "name"), REGISTERED, ids=[f"{kind}-{name}" for kind, name in REGISTERED])
def test_every_registered_plugin_is_shown_with_its_parameters(clipdefense, kind, name):
    finished = clipdefense("show", name)
    assert finished.code == 0, finished.err
    assert finished.out.startswith(f"{name} (")
    plugin = Registry().load(kind, name)
    for parameter in parameter_types(plugin):
        assert f"  {parameter} = " in finished.out
    if kind in ("attack", "defense", "inverter", "detector") and name != "none":
        assert "Differs from" in finished.out
    if kind in ("defense", "inverter", "detector"):
        assert "Needs: " in finished.out
    assert ("Scores: " in finished.out) == (kind == "detector")


@pytest.mark.parametrize("what", ["attacks", "defenses", "datasets", "detectors"])
def test_list_names_what_is_registered(clipdefense, what):
    finished = clipdefense("list", what)
    names = {point.name for point in entry_points(group=f"clipdefense.{what}")}
    assert names <= {line.split()[0] for line in finished.out.splitlines()[1:]}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wash:
    rounds: int = 3
    heat: float = 0.5
    mode: Literal["soft", "hard"] = "soft"
    gentle: bool = True
    water: float | None = None
    learnt: object = dataclasses.field(default=None, repr=False)


@pytest.fixture
def wash():
    registry = Registry()
    registry.loose["defense"]["wash"] = Wash
    return lambda **parameters: registry.build("defense", "wash", parameters)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"rounds": 1}, {"heat": 1}, {"heat": 0.1, "mode": "hard"}, {"gentle": False}, {"water": None}, {"water": 2.5}],
)
def test_parameters_reach_the_plugin(wash, parameters):
    assert wash(**parameters) == Wash(**parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"rounds": "1"},
        {"rounds": 1.0},
        {"rounds": True},
        {"heat": "1"},
        {"mode": "medium"},
        {"gentle": 1},
        {"water": "no"},
    ],
)
def test_a_parameter_of_the_wrong_type_is_named(wash, parameters):
    ((name, value),) = parameters.items()
    with pytest.raises(UserError, match=f"defense 'wash', parameter '{name}.*' = {value!r}: "):
        wash(**parameters)


def test_what_is_learnt_is_no_parameter(wash):
    with pytest.raises(UserError, match="has no parameter 'learnt'"):
        wash(learnt=1)


def test_resolved_parameters_include_defaults(wash):
    assert resolved(wash(rounds=7)) == {
        "plugin": f"{__name__}:Wash",
        **{"rounds": 7, "heat": 0.5, "mode": "soft", "gentle": True, "water": None},
    }


def test_a_loose_file_is_named_after_its_class(tmp_path):
    text = (
        "class BigWash2:\n    needs = frozenset()\n    def __call__(self, model, context):\n        yield 0.0, model\n"
    )
    (tmp_path / "loose.py").write_text(text)
    registry = Registry([f"{tmp_path}/loose.py:BigWash2"])
    assert registry.entries("defense")["big_wash2"].origin == "loose file"
    assert registry.load("defense", "big_wash2").__name__ == "BigWash2"


def test_a_loose_class_with_a_score_is_a_detector(tmp_path):
    text = "class Nose:\n    needs = frozenset()\n    def score(self, model, context):\n        return 0.0\n"
    (tmp_path / "loose.py").write_text(text)
    registry = Registry([f"{tmp_path}/loose.py:Nose"])
    assert registry.entries("detector")["nose"].origin == "loose file"
    assert "nose" not in registry.entries("defense")


def numbers(kind, name):
    """The int and float parameters of a plugin, with whatever is declared about them; None is allowed beside them."""
    for parameter, (hint, _) in parameter_types(Registry().load(kind, name)).items():
        declared = [hint, *(get_args(hint) if get_origin(hint) in (Union, UnionType) else ())]
        plain = [get_args(part)[0] if get_origin(part) is Annotated else part for part in declared]
        if int in plain or float in plain:
            yield parameter, any(get_origin(part) is Annotated for part in declared)


@pytest.mark.parametrize(("kind", "name"), REGISTERED)
def test_every_number_that_a_plugin_takes_has_a_range(kind, name):
    assert [parameter for parameter, ranged in numbers(kind, name) if not ranged] == []


@pytest.mark.parametrize(
    ("kind", "name", "parameter", "value"),
    [
        ("attack", "badnets", "side", -1.0),
        ("attack", "badnets", "side", float("nan")),
        ("attack", "blended", "alpha", 1.5),
        ("defense", "pruning", "share_max", 3.0),
        ("defense", "cleanclip", "batch_size", 0),
        ("defense", "finetune", "epochs", 0),
        ("inverter", "decree", "shadow", 0),
        ("detector", "k_dist", "k", 0),
        ("dataset", "shapes", "seed", -1),
    ],
)
def test_a_value_outside_of_its_range_is_the_users_mistake(kind, name, parameter, value):
    with pytest.raises(UserError, match=f"{kind} '{name}', parameter '{parameter}' = {value!r}: input should be"):
        Registry().build(kind, name, {parameter: value})


def test_values_that_do_not_go_together_are_the_users_mistake():
    with pytest.raises(UserError, match=r"attack 'badnets' cannot be built: .*side \+ margin = 1.5 does not fit"):
        Registry().build("attack", "badnets", {"side": 0.5, "margin": 1.0})
