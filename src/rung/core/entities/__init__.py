"""What stands literally in a text: exceptions, codes, statuses, addresses, versions, names and ids.

One module a family. Each extractor has a gate for the policy's one RE2 set and finds byte spans; `tidy` then
settles what overlaps.
"""

from __future__ import annotations

from collections.abc import Iterable

from rung.core.entities.codes import CODES
from rung.core.entities.http import HTTP
from rung.core.entities.network import NETWORK
from rung.core.entities.software import SOFTWARE
from rung.core.entities.traces import TRACES
from rung.core.found import Extractor
from rung.model import EntityType

__all__ = ["EXTRACTORS", "tidy"]

EXTRACTORS: tuple[Extractor, ...] = (*TRACES, *HTTP, *CODES, *NETWORK, *SOFTWARE)

# Of two that clash, the one further left says more.
_ORDER: tuple[EntityType, ...] = (
    "stack_frame", "url", "trace_id", "request_id", "ip_port", "error_code", "exception", "host",
    "http_status", "url_path", "os", "browser", "provider", "version",
)  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}
_MAY_HOLD: dict[EntityType, frozenset[EntityType]] = {
    "stack_frame": frozenset({"url", "host", "ip_port"}),
    "url": frozenset({"host", "ip_port", "error_code", "exception", "request_id", "trace_id"}),
    "ip_port": frozenset({"host"}),
    "exception": frozenset({"error_code"}),
    "error_code": frozenset({"exception"}),
    "host": frozenset({"provider"}),
}
_NOTHING: frozenset[EntityType] = frozenset()


def tidy(found: Iterable[tuple[EntityType, int, int]]) -> list[tuple[EntityType, int, int]]:
    """The same entities ordered by their start, each once, without those that another one covers.

    A host or address stays inside its URL or ``host:port``, and an error code inside an exception's name;
    otherwise the more telling of two that overlap stays.
    """
    kept: list[tuple[EntityType, int, int]] = []
    running: list[tuple[EntityType, int, int]] = []
    for item in sorted(set(found), key=lambda one: (one[1], -one[2], _RANK[one[0]])):
        kind, start, _ = item
        running = [other for other in running if other[2] > start]
        clashing = [other for other in running if not _stand_together(other, item)]
        if any(_RANK[other[0]] <= _RANK[kind] for other in clashing):
            continue
        for other in clashing:
            running.remove(other)
            kept.remove(other)
        kept.append(item)
        running.append(item)
    return kept


def _stand_together(outer: tuple[EntityType, int, int], inner: tuple[EntityType, int, int]) -> bool:
    return inner[2] <= outer[2] and inner[0] in _MAY_HOLD.get(outer[0], _NOTHING)
