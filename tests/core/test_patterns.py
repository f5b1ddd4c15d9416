"""Whatever the literals save, the hits are those of RE2 searching every pattern."""

from __future__ import annotations

from functools import cache

import pytest
import re2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rung.core.compiled import CLUE, compile_policy
from rung.core.folding import Folding, folded_literal
from rung.core.literals import branches
from rung.core.patterns import BadPattern, PatternSet, compile_one, exception, folded, words
from rung.policy.load import load_files
from rung.policy.source import starter_files

Span = tuple[int, int]

ODD = (
    "zeta", "ZETA", "Zetas", "qux", "QUX", "quxzeta", "zetaqux", "foo", "foobar", "ba", "x", "X", "9", "404", " ",
    "  ", "\n", "\r\n", "\n \t\n", "\t", "\v", "\f", "\x00", "\u00a0", "\u2028", "😀", "İ", "ſ", "K", "ς", "Σ", "σ",
    "Ⱥ", "ẞ", "é", "e\u0301", "漢字", "日本", "_", "-", ".", ",", "?", "!!", "(", "’", "'", "/", "\\", "{", "}",
)  # fmt: skip
PATTERNS = (
    words("zeta"),
    words("Qux  Zeta"),
    words("qux? zeta!"),
    words("Σς"),
    words("K"),
    folded("zetas|zeta|qux"),
    folded("foobar|foo|ba"),
    folded(r"\b(zeta|qux).{0,12}(foo|bar)\b"),
    folded(r"\bzeta\b.*\bqux\b"),
    folded(r" qux.{0,9}zeta"),
    folded(r"zeta .{0,9}foo "),
    folded(r"zeta(\s|[-_])?qux"),
    folded(r"(zeta|\w{2,5})\s+qux"),
    folded(r"^\W{0,3}(zeta|qux)"),
    folded(r"zeta$"),
    folded(r"^[\s\S]{1,20}$"),
    folded(r"^[\s\S]{12}"),
    folded(r"^[\s\S]{3,}"),
    folded(r"(?m)^qux$"),
    folded(r"(?s)zeta.{0,5}qux"),
    folded(r"s.{1,2}t|é|漢.?字"),
    folded(r"(?:z(?:e|é)ta)+ ?x{0,3}"),
    r"\bZETA\b",
    r"[\d]{3}|qu[wxy]",
    r"\?{1,2}|!{2,}",
    r"[^\x00-\x7f]x",
    r"\Bqux\B",
    exception("QuxZeta"),
)


def brute(patterns: tuple[str, ...], data: bytes) -> dict[int, Span]:
    """What RE2 finds when it searches every pattern."""
    found = {index: search(pattern, data) for index, pattern in enumerate(patterns)}
    return {index: span for index, span in found.items() if span}


@cache
def _single(pattern: str) -> object:
    return compile_one(pattern)


def search(pattern: str, data: bytes) -> Span | None:
    """The first span of one pattern."""
    match = _single(pattern).search(data)  # type: ignore[attr-defined] # RE2 has no type stubs
    return match.span() if match else None


texts = st.lists(st.sampled_from(ODD) | st.text(max_size=3), max_size=25).map("".join)


def utf8(text: str) -> bytes:
    """The bytes that the engine reads."""
    return text.encode("utf-8", "replace")


@settings(max_examples=300)
@given(text=texts)
def test_hits_are_those_of_searching_every_pattern(text: str) -> None:
    """In odd text too: emoji, İ, ſ, ς, no-break spaces, line breaks, runs of white space."""
    data = utf8(text)
    assert brute(PATTERNS, data) == SET.hits(data)


SET = PatternSet(PATTERNS)

_atoms = st.sampled_from(
    ("zeta", "qux", "foo", "x", " ", r"\s", r"\s+", r"\b", r"\w", r"\w+", ".", ".*", ".{0,9}", r"\W{0,3}", "[ -]",
     "[ab]", "[^q]", r"[\s_]", "[0-9x]", r"\.", r"\x{17f}", "ς", "é", "ſ", "漢", "^", "$", r"\?", r"\n")
)  # fmt: skip
_sources = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(("?", "{1,2}", "{0,2}", "{2}", "+?"))).map(
            lambda p: f"(?:{p[0]}){p[1]}"
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(sources=st.lists(_sources, min_size=1, max_size=4), flags=st.sampled_from(("", "(?i)")), text=texts)
def test_hits_of_any_syntax_are_those_of_searching(sources: list[str], flags: str, text: str) -> None:
    """Made-up patterns, with alternatives at the top level, mean to the set what they mean to RE2."""
    patterns = tuple(flags + source for source in (*sources, "|".join(sources)))
    data = utf8(text)
    assert brute(patterns, data) == PatternSet(patterns).hits(data)


@cache
def starter() -> tuple[PatternSet, tuple[str, ...], tuple[str, ...]]:
    """The starter policy's set of clues, its clue patterns, and words to make tickets of."""
    policy = load_files(starter_files())
    compiled = compile_policy(policy)
    patterns = tuple(
        folded(c.pattern) if c.pattern else words(c.phrase)
        for s in policy.signatures
        for c in (*s.clues, *s.exclusions)
        if not c.entity
    )
    assert sum(entry.kind == CLUE for entry in compiled.entries) <= len(patterns)
    phrases = [c.phrase for s in policy.signatures for c in s.clues if c.phrase]
    vocabulary = {word for p in patterns for word in re2.findall(r"[A-Za-z]{3,}", p)}
    return PatternSet(patterns), patterns, tuple(sorted({*phrases, *vocabulary}))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_pattern_of_the_starter_policy_is_found_as_by_searching(data: st.DataObject) -> None:
    """Texts made of the policy's own words, with what customers put between them."""
    patterns, sources, vocabulary = starter()
    between = st.sampled_from(
        (" ", " ", " ", "  ", "\n", ", ", ". ", " not ", " doesn't ", " 500 ", "? ", " 😀 ")
    )
    made = data.draw(st.lists(st.tuples(st.sampled_from(vocabulary), between), min_size=1, max_size=60))
    text = utf8("".join(part for pair in made for part in pair))
    assert brute(sources, text) == patterns.hits(text)


def test_every_example_word_of_the_starter_policy_is_found_alone() -> None:
    """Each phrase of the starter policy is a hit in a text of nothing else."""
    patterns, sources, _ = starter()
    for index, source in enumerate(sources):
        if source == folded(source.removeprefix("(?i)")) and re2.fullmatch(r"\(\?i\)[\\bs+\w ]+", source):
            phrase = source.removeprefix("(?i)").replace(r"\s+", "\n \t").replace(r"\b", "")
            assert search(source, utf8(phrase)) == patterns.hits(utf8(phrase)).get(index)


@pytest.mark.parametrize(
    "text",
    [
        "x\n qux zeta",
        "x \n\t qux\tzeta",
        " qux\nzeta",
        " qux \nzeta\n qux zeta",
        "zeta x foo \n",
        "zeta\n foo ",
    ],
)
def test_a_space_beside_a_line_break_is_on_its_line(text: str) -> None:
    """Collapsed white space that holds a break belongs to both lines."""
    assert brute(PATTERNS, utf8(text)) == SET.hits(utf8(text))


def test_25_000_literals_find_the_few_that_stand_there() -> None:
    """A large policy: only what a text holds is found, at its place."""
    patterns = tuple(words(f"E-{number:05}") for number in range(25_000))
    text = b"we saw e-00042 and then E-24999, but not E-000420 or xE-00007"
    assert PatternSet(patterns).hits(text) == {42: (7, 14), 24_999: (24, 31)}


STARVING = 1 << 9


def test_a_set_that_runs_out_of_memory_is_slower_but_not_blind() -> None:
    """Without the set its patterns are searched one by one."""
    patterns = (r"\d{3}-\d{4}[a-z]{0,6}", r"\w\?(\s|$)", r"[a-f]{2,7}\d[^x]{3}")
    text = b"call 555-1234abc now? or dead9 beef" * 20
    starved = PatternSet(patterns, memory=STARVING)
    assert brute(patterns, text) == starved.hits(text) == PatternSet(patterns).hits(text)


def test_gates_are_found_though_their_place_means_nothing() -> None:
    """The first patterns are only asked whether they occur."""
    patterns = (r"zeta|\d\d\d", r"qux", r"zeta|\d\d\d")
    found = PatternSet(patterns, gates=2).hits(b"12 and 345 zeta")
    assert {0, 2} == found.keys()
    assert found[2] == (7, 10)


def test_one_pattern_given_twice_is_hit_twice() -> None:
    """Several rules may share a pattern."""
    assert PatternSet((words("zeta"), words("zeta"))).hits(b"a zeta") == {0: (2, 6), 1: (2, 6)}


def test_an_empty_set_finds_nothing() -> None:
    """A policy without patterns reads any text."""
    assert PatternSet(()).hits(b"anything") == {}


@pytest.mark.parametrize("pattern", [r"(?=x)", r"(a", r"a\1", r"[z-a]"])
def test_what_re2_refuses_is_a_bad_pattern(pattern: str) -> None:
    """The message is RE2's own; a set that must compile it refuses too."""
    with pytest.raises(BadPattern):
        compile_one(pattern)


def test_an_empty_phrase_is_refused() -> None:
    """It would match everything."""
    with pytest.raises(BadPattern, match="empty phrase"):
        words("  ")


@given(character=st.characters(min_codepoint=0x80, codec="utf-8"))
def test_letters_that_are_the_same_to_re2_fold_alike(character: str) -> None:
    """Otherwise a literal would rule out what RE2 matches."""
    variants = {
        character,
        character.lower(),
        character.upper(),
        character.title(),
        character.casefold(),
        *"ſKsk",
    }
    single = [one for one in variants if len(one) == 1]
    pattern = compile_one(folded(rf"\x{{{ord(character):x}}}"))
    for one in single:
        if pattern.fullmatch(utf8(one)):
            assert folded_literal(character) == folded_literal(one)


@given(text=texts)
def test_a_folded_text_leads_back_to_its_bytes(text: str) -> None:
    """The ends lead to the ends, places ascend, and what is no white space stands where it stood."""
    data = utf8(text)
    folding = Folding(data)
    places = [folding.byte(place) for place in range(len(folding.folded) + 1)]
    assert sorted(places) == places
    assert len(data) == places[-1]
    if folding.exact:
        for place, byte in enumerate(folding.folded):
            assert (
                byte == 0x20 or chr(byte) == chr(data[places[place]]).lower() or data[places[place]] >= 0x80
            )


def test_a_branch_tells_what_it_needs() -> None:
    """Literals keep their word edges; distances count from the start of the match."""
    (branch,) = branches(folded(r"\bzeta.{2,6}(qux|foo bar)\b"))
    ((first, second),) = branch.ways
    assert {"\uffffzeta"} == set(min(first, second, key=lambda n: n.low).literals)
    assert (max(first.low, second.low), max(first.high, second.high)) == (4, 10)
    assert (branch.one_line, branch.anchored, branch.width) == (True, False, 17)
