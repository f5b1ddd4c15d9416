"""Reading a ticket: redact, extract, match. Pure: the same policy and ticket give the same reading.

One pass over a field says which literals of the policy's patterns are present; only patterns that can match are
searched. Matching runs on UTF-8 bytes; places are turned into code points here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rung.core.compiled import (
    CLUE,
    DETECT,
    EXTRACT,
    RAISE,
    SAID,
    TECHNICAL,
    TRIGGER,
    VETO,
    Compiled,
    FlatClue,
)
from rung.core.entities import tidy
from rung.core.found import Span
from rung.core.redact import detect, fingerprint, mask
from rung.core.rules import SUBJECT_FACTOR
from rung.model import AuthorKind, Because, Entity, Hit, Json, Reading, Recognised, Secret, Text, Ticket

_LEADING, _CONTINUES = 0b1100_0000, 0b1000_0000
"""How UTF-8 marks the bytes that do not begin a character."""

READ_AUTHORS: frozenset[AuthorKind] = frozenset({"customer", "agent"})
"""Whose words count; Rung's own notes and the system's never decide."""

REASONS = 8
"""At most so many reasons are quoted for one signature, the weightiest first."""


class Scan:
    """One field: its text after redaction, its bytes, and the patterns that occur in it with their spans."""

    __slots__ = ("_reached", "data", "field", "hits", "text")

    def __init__(self, field: str, text: str, data: bytes, hits: dict[int, Span]) -> None:
        self.field = field
        self.text = text
        self.data = data
        self.hits = hits
        self._reached = (0, 0)  # a byte and its code point: most places are asked for in ascending order

    def point(self, offset: int) -> int:
        """The code point that starts at byte ``offset``."""
        if len(self.data) == len(self.text):
            return offset
        byte, point = self._reached
        if offset < byte:
            byte = point = 0
        point += len(self.data[byte:offset].decode("utf-8", "ignore"))
        if offset < len(self.data) and self.data[offset] & _LEADING != _CONTINUES:
            self._reached = offset, point
        return point

    def because(self, rule: str, span: tuple[int, int]) -> Because:
        """A reason that quotes a byte span of this field."""
        start, end = self.point(span[0]), self.point(span[1])
        return Because(rule, self.field, start, end, self.text[start:end])


def encode(text: str) -> bytes:
    """UTF-8 with one character for each lone surrogate, so that bytes map back to code points."""
    return text.encode("utf-8", "replace")


def ticket_texts(ticket: Ticket) -> list[Text]:
    """The fields of a ticket that have text, in reading order."""
    texts = [Text("subject", ticket.subject), Text("body", ticket.body)]
    texts += [
        Text(f"messages[{index}].body", message.body, message.author)
        for index, message in enumerate(ticket.messages)
    ]
    return [t for t in texts if t.text]


def _scan(compiled: Compiled, text: Text, key: bytes, secrets: list[Secret]) -> Scan:
    """Redact one field and find which patterns occur in what is left."""
    data = encode(text.text)
    hits = compiled.patterns.hits(data)
    scan = Scan(text.field, text.text, data, hits)
    masked: list[tuple[int, int]] = []
    for hit in hits:
        entry = compiled.entries[hit]
        if entry.kind != DETECT:
            break  # detectors come first in the set and hits ascend
        detector = compiled.detectors[entry.index]
        for span in detector.find(data):
            start, end = scan.point(span[0]), scan.point(span[1])
            if start < end:
                masked.append((start, end))
                secrets.append(
                    Secret(detector.kind, text.field, start, end, fingerprint(text.text[start:end], key))
                )
    if not masked:
        return scan
    clean = mask(text.text, masked)
    data = encode(clean)
    return Scan(text.field, clean, data, compiled.patterns.hits(data))


@dataclass(slots=True)
class _Seen:
    """Where one clue stood at its best: weight after the place's factor, and how to quote it."""

    weight: float
    scan: Scan | None
    entry: int
    entity: Entity | None = None


class _Matching:
    """Gathers what the scans of one ticket say, then weighs it."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.seen: dict[int, dict[str, _Seen]] = {}
        self.vetoed: set[int] = set()
        self.triggers: dict[int, Because] = {}
        self.raised: dict[int, Because] = {}
        self.said: dict[int, Because] = {}
        self.technical: Because | None = None
        self.entities: list[Entity] = []
        self.services: dict[str, Because] = {}
        self._judged: set[tuple[str, str, bool]] = set()

    def take(self, scan: Scan) -> None:
        """Use every hit of one field."""
        compiled = self.compiled
        found: list[tuple[object, int, int]] = []
        for hit in scan.hits:
            entry = compiled.entries[hit]
            kind = entry.kind
            if kind == CLUE:
                self._clue(scan, hit, compiled.clues[entry.index])
            elif kind == EXTRACT:
                found.extend(compiled.extractors[entry.index].find(scan.data))
            elif kind == TRIGGER:
                self._trigger(scan, hit, entry.index)
            elif kind == VETO:
                flat = compiled.vetoes[entry.index]
                if _fits(flat.clue.where, scan.field):
                    self.vetoed.add(flat.signature)
            elif kind == RAISE and entry.index not in self.raised:
                rule = f"severity:{compiled.policy.raises[entry.index].id}"
                self._quote(self.raised, rule, entry.index, scan, hit)
            elif kind == SAID and entry.index not in self.said:
                self._quote(self.said, "phrase", entry.index, scan, hit)
            elif kind == TECHNICAL and self.technical is None:
                self.technical = scan.because("facts.asks_for_technical", scan.hits[hit])
        if found:
            self._entities(scan, found)

    def _quote(self, into: dict[int, Because], rule: str, index: int, scan: Scan, hit: int) -> None:
        into[index] = scan.because(rule, scan.hits[hit])

    def _clue(self, scan: Scan, hit: int, flat: FlatClue) -> None:
        clue = flat.clue
        if not _fits(clue.where, scan.field):
            return
        weight = clue.weight * SUBJECT_FACTOR if scan.field == "subject" else clue.weight
        own = self.seen.setdefault(flat.signature, {})
        before = own.get(clue.rule)
        if before is None or abs(weight) > abs(before.weight):
            own[clue.rule] = _Seen(weight, scan, hit)

    def _trigger(self, scan: Scan, hit: int, index: int) -> None:
        if index in self.triggers:
            return
        trigger = self.compiled.triggers[index]
        if any(p.search(scan.data) for p in self.compiled.trigger_exceptions.get(trigger.id, ())):
            return
        span = self.compiled.quoted(hit, scan.data, scan.hits[hit])
        self.triggers[index] = scan.because(f"trigger:{trigger.id}", span)
        signature = self.compiled.signature_index.get(trigger.signature)
        if signature is not None:
            own = self.seen.setdefault(signature, {})
            own[f"trigger:{trigger.id}"] = _Seen(trigger.weight, scan, hit)

    def _entities(self, scan: Scan, found: list[tuple[object, int, int]]) -> None:
        for kind, begin, finish in tidy(found):  # type: ignore[arg-type] # extractors yield closed types
            start, end = scan.point(begin), scan.point(finish)
            entity = Entity(kind, scan.text[start:end], scan.field, start, end)
            self.entities.append(entity)
            same = (kind, entity.value, scan.field == "subject")
            if same not in self._judged:  # a log repeats its hosts and codes a hundred times
                self._judged.add(same)
                self._judge(entity)

    def _judge(self, entity: Entity) -> None:
        """What a value proves the first time that it stands in the subject, or elsewhere."""
        self._entity_clues(entity)
        service = self.compiled.catalogue.find(entity)
        if service is not None and service.id not in self.services:
            self.services[service.id] = Because(
                f"service:{service.id}", entity.field, entity.start, entity.end, entity.value
            )

    def _entity_clues(self, entity: Entity) -> None:
        for test in self.compiled.entity_clues.get(entity.type, ()):
            clue = test.clue
            if not _fits(clue.where, entity.field):
                continue
            if test.matches and not test.matches(encode(entity.value)):
                continue
            if test.veto:
                self.vetoed.add(test.signature)
                continue
            weight = clue.weight * SUBJECT_FACTOR if entity.field == "subject" else clue.weight
            own = self.seen.setdefault(test.signature, {})
            before = own.get(clue.rule)
            if before is None or abs(weight) > abs(before.weight):
                own[clue.rule] = _Seen(weight, None, -1, entity)

    def recognised(self) -> tuple[Recognised, ...]:
        """The signatures whose evidence suffices, best first; equal scores keep the policy's order."""
        signatures = self.compiled.policy.signatures
        scores = sorted(
            (
                (round(sum(s.weight for s in own.values()), 3), -number)
                for number, own in self.seen.items()
                if number not in self.vetoed
            ),
            reverse=True,
        )
        enough = [(score, -number) for score, number in scores if score >= signatures[-number].needs]
        return tuple(
            Recognised(
                signatures[number].id,
                score,
                confidence(score, signatures[number].needs, _rival(enough, position)),
                self._reasons(self.seen[number]),
            )
            for position, (score, number) in enumerate(enough)
        )

    def _reasons(self, own: dict[str, _Seen]) -> tuple[Because, ...]:
        best = sorted(own.items(), key=lambda item: (-item[1].weight, item[0]))[:REASONS]
        reasons = []
        for rule, seen in best:
            if seen.weight <= 0 or rule.startswith("trigger:"):
                continue  # counter-evidence is no reason; triggers are reasons of their own
            if seen.entity is not None:
                e = seen.entity
                reasons.append(Because(rule, e.field, e.start, e.end, e.value))
            elif seen.scan is not None:
                reasons.append(seen.scan.because(rule, seen.scan.hits[seen.entry]))
        return tuple(reasons)


def _fits(where: str, field: str) -> bool:
    return where == "any" or (where == "subject") == (field == "subject")


def _rival(enough: list[tuple[float, int]], position: int) -> float:
    """The best score among the others."""
    if position:
        return enough[0][0]
    return enough[1][0] if len(enough) > 1 else 0.0


def confidence(score: float, needs: float, rival: float) -> float:
    """How sure a recognition is, in [0, 1): grows with the evidence, falls with the best other signature.

    ``score / (score + needs / 3 + 0.6 · rival)``; a bare minimum of evidence without a rival gives 0.75.
    """
    if score <= 0:
        return 0.0
    return round(score / (score + max(needs, 0.0) / 3 + 0.6 * max(rival, 0.0)), 3)


def read(compiled: Compiled, ticket: Ticket, *, key: bytes = b"") -> Reading:
    """All that the text of a ticket says. ``key`` keys the fingerprints of masked secrets."""
    secrets: list[Secret] = []
    matching = _Matching(compiled)
    texts = []
    for text in ticket_texts(ticket):
        scan = _scan(compiled, text, key, secrets)
        texts.append(Text(text.field, scan.text, text.author))
        if text.author in READ_AUTHORS:
            matching.take(scan)
    policy = compiled.policy
    return Reading(
        ticket_id=ticket.id,
        texts=tuple(texts),
        entities=tuple(matching.entities),
        signatures=matching.recognised(),
        triggers=tuple(Hit(policy.triggers[i].id, matching.triggers[i]) for i in sorted(matching.triggers)),
        services=tuple(
            Hit(s.id, matching.services[s.id]) for s in policy.services if s.id in matching.services
        ),
        raised=tuple(Hit(policy.raises[i].id, matching.raised[i]) for i in sorted(matching.raised)),
        said=tuple(Hit(compiled.phrases[i], matching.said[i]) for i in sorted(matching.said)),
        asks_for_technical=matching.technical,
        secrets=tuple(secrets),
    )


def redacted(ticket: Ticket, reading: Reading) -> Ticket:
    """The ticket as it may be stored: its texts from the reading, secrets masked in everything else."""
    texts = {t.field: t.text for t in reading.texts}
    return replace(
        ticket,
        subject=texts.get("subject", ""),
        body=texts.get("body", ""),
        messages=tuple(
            replace(m, body=texts.get(f"messages[{i}].body", "")) for i, m in enumerate(ticket.messages)
        ),
        tags=tuple(map(redact_text, ticket.tags)),
        fields=redact_json(dict(ticket.fields)),
        facts=redact_json(dict(ticket.facts)),
        attachments=tuple(
            replace(a, name=redact_text(a.name), url=redact_text(a.url)) for a in ticket.attachments
        ),
    )


def redact_text(text: str) -> str:
    """A text outside the read fields, with its secrets masked."""
    data = encode(text)
    found = detect(data)
    if not found:
        return text
    scan = Scan("", text, data, {})
    return mask(text, [(scan.point(start), scan.point(end)) for _, start, end in found])


def redact_json(value: Json) -> Json:
    """A JSON value with the secrets in its texts masked; a text keeps its key beside it while it is judged."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, list):
        return [redact_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _redact_member(key, item) for key, item in value.items()}
    return value


def _redact_member(key: str, value: Json) -> Json:
    """``{"password": "x"}`` is a secret only with its key, so both are judged together."""
    if not isinstance(value, str):
        return redact_json(value)
    label = f"{key}: "
    return redact_text(label + value)[len(label) :]
