"""What every plugin promises, as checks that anybody can run on a plugin of their own.

    from benchmark.contract import attack_checks, run_checks
    for name, error in run_checks(attack_checks(MyAttack())):
        ...

The checks need no data and no trained model: seeded random images and an untrained tiny model do. A plugin that must
break a rule names the check in a class attribute ``contract_exceptions`` (a frozenset) and says why in its docstring;
one that takes long with its defaults gives smaller numbers of steps in ``contract_settings`` (field -> value).
"""

from benchmark.contract.attacks import attack_checks
from benchmark.contract.checks import Check, ContractViolation, Outcome, run_checks
from benchmark.contract.datasets import dataset_checks
from benchmark.contract.defenses import defense_checks
from benchmark.contract.detectors import detector_checks
from benchmark.contract.inverters import inverter_checks

__all__ = [
    "Check",
    "ContractViolation",
    "Outcome",
    "attack_checks",
    "dataset_checks",
    "defense_checks",
    "detector_checks",
    "inverter_checks",
    "run_checks",
]
