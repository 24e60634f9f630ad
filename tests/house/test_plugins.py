"""House rule 3: a plugin file holds one plugin, cites its paper, says how it differs, and does nothing on the side."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(
    path for name in ("attacks", "defenses") for path in (ROOT / name).glob("*.py") if path.stem != "__init__"
)
SOURCE = re.compile(r"arXiv[: ]\d{4}\.\d{4,5}|doi[:.]\S*10\.\d{4,}/\S+|OpenReview \w{10}")
OURS = re.compile(r"\bOurs\b")
FORBIDDEN_MODULES = re.compile(r"(logging|argparse|pathlib|os|sys|random|benchmark\.(stages|runner|cli))(\.|$)")
OTHER_PLUGINS = re.compile(r"(attacks|defenses|reports)(\.|$)")
FORBIDDEN_CALLS = {"print", "open", "input", "exit", "hash"}
DRAWS = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}


def named(path):
    return f"{path.parent.name}/{path.name}"


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path):
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def calls(path):
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]


def test_plugins_are_seen():
    assert {"attacks/badnets.py", "defenses/task_vector.py"} <= {named(path) for path in PLUGINS}


@pytest.mark.parametrize("path", PLUGINS, ids=named)
def test_the_docstring_cites_its_source_and_says_how_it_differs(path):
    text = ast.get_docstring(tree_of(path)) or ""
    if not OURS.search(text):
        assert SOURCE.search(text), f"{named(path)} cites no paper; give an arXiv id or a DOI, or say that it is ours"
        assert "Differs from the paper:" in text, f"{named(path)} does not say 'Differs from the paper: ...'; add it"


@pytest.mark.parametrize("path", PLUGINS, ids=named)
def test_a_file_holds_one_plugin(path):
    members = ({"trigger"}, {"__call__", "needs"}, {"score"})
    plugins = []
    for node in tree_of(path).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            names = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            names |= {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}
            plugins += [node.name] if any(wanted <= names for wanted in members) else []
    assert len(plugins) == 1, f"{named(path)} holds {plugins or 'no plugin'}; put one class in one file"


@pytest.mark.parametrize("path", PLUGINS, ids=named)
def test_plugins_import_nothing_that_a_plugin_has_no_business_with(path):
    strays = [name for name in imported(path) if OTHER_PLUGINS.match(name) or FORBIDDEN_MODULES.match(name)]
    assert not strays, f"{named(path)} imports {', '.join(sorted(strays))}; remove it"


@pytest.mark.parametrize("path", PLUGINS, ids=named)
def test_plugins_neither_print_nor_read_nor_hash(path):
    found = [node.func.id for node in calls(path) if isinstance(node.func, ast.Name)]
    strays = FORBIDDEN_CALLS.intersection(found)
    assert not strays, f"{named(path)} calls {', '.join(strays)}; remove it (hash() differs between processes)"


@pytest.mark.parametrize("path", PLUGINS, ids=named)
def test_torch_draws_name_their_generator(path):
    unseeded = [
        f"torch.{node.func.attr} in line {node.lineno}"
        for node in calls(path)
        if isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "torch"
        and node.func.attr in DRAWS
        and not any(keyword.arg == "generator" for keyword in node.keywords)
    ]
    assert not unseeded, f"{named(path)}: {', '.join(unseeded)} draws from the global generator; pass generator="
