"""Every registered plugin, built with its defaults, keeps every rule of its kind.

Data sets in files are asked for what needs no file; tests/data runs the whole contract over them with files of its own.
"""

from importlib.metadata import entry_points

import pytest

from benchmark.contract import (
    Check,
    attack_checks,
    dataset_checks,
    defense_checks,
    detector_checks,
    inverter_checks,
)

CHECKS = {
    "attacks": attack_checks,
    "defenses": defense_checks,
    "datasets": dataset_checks,
    "inverters": inverter_checks,
    "detectors": detector_checks,
}


def checks_of(kind, point):
    """The plugin's checks; one that cannot be imported or built has a single check that says so."""
    try:
        return CHECKS[kind](point.load()())
    except Exception as error:
        reason = error

        def can_be_built():
            raise reason

        return [Check("can_be_built", can_be_built)]


def registered():
    for kind in CHECKS:
        for point in entry_points(group=f"clipdefense.{kind}"):
            for check in checks_of(kind, point):
                yield pytest.param(check, id=f"{kind}-{point.name}-{check.name}")


@pytest.mark.parametrize("check", list(registered()))
def test_every_registered_plugin_keeps_the_contract(check):
    check.run()


@pytest.mark.parametrize("kind", ["attacks", "defenses", "datasets", "detectors"])
def test_every_group_has_plugins(kind):
    assert entry_points(group=f"clipdefense.{kind}"), "install the project again: its entry points are not registered"
