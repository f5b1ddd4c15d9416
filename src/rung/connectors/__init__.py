"""Services that send Rung something: one file each, found by the entry point ``rung.connectors``.

A connector can only check and read what came in. None can write: what Rung tells a helpdesk are internal notes,
fields and tags, sent by ``flow`` through other ports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from rung.ports import Connector

GROUP = "rung.connectors"
_ABILITIES: tuple[str, ...] = ("verify", "parse")


@dataclass(frozen=True, slots=True)
class BrokenConnector:
    """A plugin that could not be loaded: what it is called, where it comes from and why not."""

    name: str
    origin: str
    why: str


@dataclass(frozen=True, slots=True)
class Connectors:
    """All installed connectors by name, and those that are broken (reported, never fatal)."""

    loaded: Mapping[str, Connector] = field(default_factory=lambda: MappingProxyType({}))
    broken: tuple[BrokenConnector, ...] = ()


def load_connectors(found: Iterable[EntryPoint] | None = None) -> Connectors:
    """Load the connectors of every installed package, ours by the same door as strangers'.

    Of two with one name the first in the order of their origins is taken and the other is reported.
    """
    loaded: dict[str, Connector] = {}
    broken: list[BrokenConnector] = []
    points = entry_points(group=GROUP) if found is None else found
    for point in sorted(points, key=lambda p: (p.name, p.value)):
        try:
            plugin = point.load()
        except Exception as error:  # noqa: BLE001 # a stranger's import may raise anything; the rest must go on
            broken.append(BrokenConnector(point.name, point.value, f"{type(error).__name__}: {error}"))
            continue
        why = _flaw(point.name, plugin, loaded)
        if why:
            broken.append(BrokenConnector(point.name, point.value, why))
        else:
            loaded[point.name] = plugin
    return Connectors(MappingProxyType(loaded), tuple(broken))


def _flaw(name: str, plugin: object, loaded: Mapping[str, Connector]) -> str:
    """Why this plugin cannot be used; empty when it can."""
    if name in loaded:
        return "another package already brings a connector of this name"
    called = getattr(plugin, "name", None)
    if called != name:
        return f"its name is {called!r}, but its entry point says {name!r}; they must be the same"
    missing = [ability for ability in _ABILITIES if not callable(getattr(plugin, ability, None))]
    return f"it has no {' and no '.join(missing)}" if missing else ""
