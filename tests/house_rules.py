"""The rules of the house, each a function that names what is wrong with one file."""

import ast
from pathlib import Path

from tests.reading import TOPS, Source, calls, functions, imports

MAY_IMPORT = {  # room -> the rooms it may know, besides itself, market and conf.schema
    "statistics": set(),
    "market": set(),
    "features": set(),
    "learning": {"features", "statistics"},
    "models": {"learning", "statistics"},
    "risk": {"learning", "features", "statistics"},
    "portfolio": {"risk"},
    "execution": {"portfolio"},
    "simulation": {"execution", "portfolio", "risk", "statistics"},
    "reports": set(),
}
DOORS = {  # framework -> the only places that may import it
    "prefect": ["flows/*.py", "tasks/*.py"],
    "great_expectations": ["expectations/gate.py"],
    "mlflow": ["tasks/learning/tracking.py"],
    "torch": ["tasks/learning/", "tasks/models/nets/", "tasks/risk/nets/"],
    "pytorch_lightning": ["tasks/learning/", "tasks/models/nets/", "tasks/risk/nets/"],
    "deltalake": ["tasks/market/"],
    "exchange_calendars": ["tasks/market/calendar.py"],
    "clarabel": ["tasks/portfolio/"],
    "lightgbm": ["tasks/models/baselines/"],
    "optuna": ["tasks/learning/tuning.py"],
    "sklearn": ["tasks/models/baselines/"],
    "plotly": ["tasks/reports/"],
    "psutil": ["flows/"],
    "filelock": ["tasks/locks.py"],
    "httpx": ["tasks/market/sources/"],
    "httpcore": ["tasks/market/sources/"],
    "tenacity": ["tasks/market/sources/web.py"],
    "yfinance": ["tasks/market/sources/browser.py"],
    "typer": [
        "flows/audit.py",
        "flows/cli.py",
        "flows/data.py",
        "flows/features.py",
        "flows/models.py",
        "flows/report.py",
        "flows/tune.py",
    ],
    "yaml": ["tasks/settings.py"],
    "importlib.import_module": [],  # no import by string
    "pickle": [],
    "joblib": [],
    "cloudpickle": [],
    "skops": [],
}
HEAVY = {
    "arch",
    "great_expectations",
    "lightgbm",
    "mlflow",
    "optuna",
    "plotly",
    "pytorch_lightning",
    "skfolio",
    "sklearn",
    "torch",
}
MAY_BE_HEAVY = [  # these load a heavy library when they are imported; all else is light
    "expectations/desk.py",
    "expectations/gate.py",
    "tasks/learning/",
    "tasks/models/",
    "tasks/reports/",
    "tasks/risk/nets/",
]
NO_FRAMEWORK = ["flows/cli.py", "flows/environment.py", "flows/processes.py", "flows/servers.py"]
ENVIRONMENT = [  # the only places that read or set environment variables
    "flows/cli.py",
    "flows/commands.py",
    "flows/environment.py",
    "flows/processes.py",
    "tasks/learning/tracking.py",  # sets what MLflow reads there, and puts it back
    "tasks/settings.py",
]
CLOCKS = {"date.today", "datetime.today", "datetime.now", "datetime.utcnow", "time.time"}
MOST_LINES, MOST_FUNCTION_LINES = 300, 60


def at(place: Path, door: str) -> bool:
    """Say whether a file lies in a folder (`tasks/market/`) or matches (`tasks/*.py`)."""
    if door.endswith("/"):
        return place.as_posix().startswith(door)
    return place.match(door) and len(place.parts) == len(Path(door).parts)


def room_of(place: Path) -> str | None:
    """Return the room a file belongs to, `tasks/<room>/...`, or None."""
    return place.parts[1] if place.parts[0] == "tasks" and len(place.parts) > 2 else None


def wrong_directions(source: Source) -> list[str]:
    """Name the imports of ours that point up, or across to a room that may not be known."""
    return [
        f"{source.place}:{each.line} may not know {each.name}"
        for each in imports(source)
        if each.name.split(".")[0] in TOPS and not _may_know(source.place, each.name.split("."))
    ]


def _may_know(place: Path, name: list[str]) -> bool:
    top, first, rest = name[0], place.parts[0], name[1:]
    if top == "conf":
        if first == "conf":  # the schema lies in several files; others know it as conf.schema
            return True
        return room_of(place) != "statistics" and (
            rest[:1] == ["schema"] or place.as_posix() == "tasks/settings.py"
        )
    if first == "conf":
        return False
    if first == "flows":
        return top == "flows" or (top == "tasks" and bool(rest) and rest[0] not in MAY_IMPORT)
    if first == "expectations":
        return top == "expectations" or (top == "tasks" and rest[:1] == ["market"])
    room = room_of(place)
    if room is None:  # a task
        return top != "flows"
    if room not in MAY_IMPORT or top != "tasks" or not rest:
        return False
    market = set() if room == "statistics" else {"market"}
    return rest[0] in MAY_IMPORT[room] | {room} | market


def wrong_doors(source: Source) -> list[str]:
    """Name the frameworks imported elsewhere than at their doors."""
    return [
        f"{source.place}:{each.line} may not import {framework}"
        for each in imports(source)
        for framework, doors in DOORS.items()
        if f"{each.name}.".startswith(f"{framework}.")
        and not any(at(source.place, door) for door in doors)
    ]


def wrong_looks(source: Source) -> list[str]:
    """Name the looks at the clock by a room, and at the environment by anyone but its readers."""
    inner = room_of(source.place) or source.place.parts[0] in ("expectations", "conf")
    found = []
    for called, line in calls(source):
        if inner and any(called.endswith(clock) for clock in CLOCKS):
            found.append(f"{source.place}:{line} looks at the clock: {called}")
    if not any(at(source.place, door) for door in ENVIRONMENT):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv"):
                found.append(f"{source.place}:{node.lineno} reads the environment")
        for each in imports(source):
            if each.name in ("os.environ", "os.getenv"):
                found.append(f"{source.place}:{each.line} reads the environment")
    return found


def wrong_sizes(source: Source) -> list[str]:
    """Name a file, and the functions, that are too long."""
    length = len(source.text.splitlines())
    found = [f"{source.place} has {length} lines"] if length > MOST_LINES else []
    return found + [
        f"{source.place}: {each.name} has {each.lines} lines"
        for each in functions(source)
        if each.lines > MOST_FUNCTION_LINES
    ]


def wrong_init(source: Source) -> list[str]:
    """Name what an `__init__.py` holds besides one registry and the functions it names."""
    if source.place.name != "__init__.py":
        return []
    rest = source.tree.body
    if rest and isinstance(rest[0], ast.Expr):
        rest = rest[1:]  # its docstring
    fine = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.If)
    registries = [node for node in rest if _is_registry(node)]
    strange = [node for node in rest if not isinstance(node, fine) and node not in registries]
    found = [f"{source.place}:{node.lineno} holds more than a registry" for node in strange]
    if rest and len(registries) != 1:
        found.append(f"{source.place} holds {len(registries)} registries, not one")
    return found


def _is_registry(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target: ast.expr = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        target = node.target
    else:
        return False
    return isinstance(target, ast.Name) and target.id.isupper() and isinstance(node.value, ast.Dict)


def loaded_by(module: str, known: dict[str, Source]) -> dict[str, list[str]]:
    """Return what importing `module` loads from outside, each with the way it is reached."""
    reached: dict[str, list[str]] = {}
    waiting, seen = [[module]], set()
    while waiting:
        way = waiting.pop()
        if way[-1] in seen:
            continue
        seen.add(way[-1])
        for each in imports(known[way[-1]]):
            if each.lazy:
                continue
            ours = [name for name in _prefixes(each.name) if name in known]
            waiting += [[*way, name] for name in ours]
            if not ours:
                reached.setdefault(each.name.split(".")[0], way)
    return reached


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
