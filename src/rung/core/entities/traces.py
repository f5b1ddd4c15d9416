"""Exceptions and stack frames of Java, Python, JavaScript, Go, Ruby, PHP, .NET and Rust.

A class name counts as an exception when its own form says so (``FooError``, ``foo.BarException``,
``Errno::ECONNREFUSED``, ``module.exceptions.Timeout``); the plain words "error" and "exception" do not.
A stack frame is what names a place in code: function and file, or file and line.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import re2

from rung.core.found import Extractor
from rung.model import EntityType

MOST_FRAMES = 20
"""Frames beyond these add cost and no meaning: the top of a trace names its place."""

_SOURCE = (
    r"(?:java|kt|scala|groovy|py|pyx|m?[jt]sx?|cjs|vue|svelte|go|rb|erb|rake|rs|php|phtml|cs|vb|fs|"
    r"swift|dart|exs?|erl|p[lm]|lua|cpp|cc|mm?)"
)
_PATH = r"[\w./@~\\+<>-]"

_FRAME = re2.compile(
    "|".join(
        (
            # Java: at com.shop.Cart.add(Cart.java:12)
            r"\bat [\w$.<>@~/-]+\((?:[\w$.-]+\.(?:java|kt|scala|groovy|clj)(?::\d+)?|Native Method|Unknown Source)\)",
            # .NET: at Shop.Cart.Add(Int32 id) in C:\src\Cart.cs:line 12
            r"\bat (?:[A-Z_<][\w`<>+\[\],]*\.)+[\w<>`|.\[\],]+\([^()\n]*\)(?: in [^\n]{1,100}:line \d+)?",
            # Node and Chrome: at add (/srv/cart.js:12:3), at async https://shop.example/app.js:1:2
            (
                r"\bat (?:async |new )?(?:[\w$.<>\[\] /#]+ )?\(?"
                r"(?:[^\s()]+\.(?:m?[jt]sx?|cjs|vue|svelte|html?|php)[^\s():]*|node:[\w/.-]+|webpack[^\s()]+|<anonymous>|"
                r"https?://[^\s()]+):\d+:\d+\)?"
            ),
            # Firefox and Safari: add@https://shop.example/app.js:1:2
            r"[\w$./<]*@https?://[^\s()@]+:\d+:\d+",
            # Python: File "/srv/cart.py", line 12, in add
            r"""File \\?["'][^"'\n\\]+\\?["'], line \d+(?:, in [\w<>.]+)?""",
            # Ruby: cart.rb:12:in 'add'
            r"[\w./@~-]+\.(?:rb|erb|rake):\d+:in [`'][^`'\n]+'",
            # PHP: #0 /srv/cart.php(12): Cart->add
            r"[\w./\\:-]+\.(?:php|phtml)(?:\(\d+\)(?:: [\w\\>:-]+)?| on line \d+|:\d+)",
            # anything that names a file and a line: src/main.rs:12:3, /srv/main.go:40
            rf"{_PATH}+\.{_SOURCE}:(?:line )?\d+(?::\d+)?\b",
        )
    )
)

# Bounded, or a long dotted text would cost the square of its length.
_NAMESPACE = r"(?:[A-Za-z_$][\w$]*(?:\.|::)|[A-Z]\w*\\{1,2})"
_RUBY = (
    r"(?:Invalid|NotFound|NotUnique|NotDefined|NotSaved|NotDestroyed|Missing|Failed|Timeout|Refused|Reset|Expired|"
    r"Denied|Deadlocked|Unauthorized|Forbidden|BadRequest|BadConnection|ConnectionBad|Conflict|Unavailable|Mismatch|"
    r"NotEstablished|TooManyRequests|Undefined\w+|\w*Violation|VerifyFailed|E[A-Z]{3,}|StaleObject|Overflow|"
    r"LockWaitTimeout|QueryCanceled|StatementTimeout|ServerInternalError|Aborted)"
)
_NAMED = re2.compile(
    "|".join(
        (
            rf"{_NAMESPACE}{{0,12}}[A-Z][\w$]*(?:Error|Exception)\b",
            rf"{_NAMESPACE}{{1,12}}(?:Error|Exception|Throwable)\b",
            # Ruby classes without the suffix: ActiveRecord::StatementInvalid, Net::ReadTimeout
            rf"\b(?:[A-Z]\w*::){{1,12}}\w*{_RUBY}\b",
            # Python classes without it: requests.exceptions.ReadTimeout, psycopg2.errors.UndefinedTable
            r"\b(?:[a-z_]\w*\.){0,12}(?:exceptions?|errors|exc)\.[A-Z]\w+\b",
            r"\b(?:\w+\.){0,12}(?:DoesNotExist|ImproperlyConfigured|TemplateDoesNotExist|MultipleObjectsReturned)\b",
            r"\b(?:KeyboardInterrupt|SystemExit|StopIteration|StopAsyncIteration|UnhandledPromiseRejection)\b",
            r"\b(?:ConnectTimeout|ReadTimeout|WriteTimeout|PoolTimeout|MaxRetryExceeded)\b",
            # Go and Rust say it with a word
            r"(?m:^|\s|\n)panic: ",
            r"\bpanicked at\b",
        )
    )
)
_CAUSED_BY = re2.compile(r"(?:Caused by|Uncaught|caused by): ?((?:[A-Za-z_$][\w$]*[.\\])+[A-Z][\w$]*)")


def frames(data: bytes) -> Iterator[tuple[EntityType, int, int]]:
    """The first `MOST_FRAMES` places in code; ``at`` before a frame is not part of it."""
    for found in islice(_FRAME.finditer(data), MOST_FRAMES):
        start, end = found.span()
        if data.startswith(b"at ", start):
            start += 3
        yield "stack_frame", start, end


def exceptions(data: bytes) -> Iterator[tuple[EntityType, int, int]]:
    """Class names that are exceptions by their form, with their package; ``panic`` and ``panicked``."""
    for found in _NAMED.finditer(data):
        start, end = found.span()
        text = data[start:end]
        if text.endswith(b"panic: "):
            yield "exception", end - 7, end - 2
        elif text == b"panicked at":
            yield "exception", start, start + 8
        elif not _inside_word(data, start):
            # A log pasted as one string: the n of \\n is no letter of the name.
            yield "exception", start + (data[start - 1 : start] == b"\\" and text[0] in b"nrt"), end
    if b"aused by:" in data or b"Uncaught:" in data:
        for found in _CAUSED_BY.finditer(data):
            start, end = found.span(1)
            yield "exception", start, end


def _inside_word(data: bytes, start: int) -> bool:
    r"""Whether a match begins in the middle of a word, as ``TypeError`` does in ``isTypeError``.

    The ``n`` of an escaped line break (``\nTypeError``) is not part of a word.
    """
    before = data[start - 1 : start]
    if not (before.isalnum() or before == b"_"):
        return False
    return not (before in b"nrt" and data[start - 2 : start - 1] == b"\\")


TRACES = (
    Extractor(
        "exception",
        r"[\w$](?:Error|Exception)\b|[.:\\](?:Error|Exception|Throwable)\b|[A-Z]\w*::\w*[A-Z]|"
        r"(?:exceptions?|errors|exc)\.[A-Z]|"
        r"panic: |panicked at|aused by: ?\w+[.\\]|Uncaught: |DoesNotExist|ImproperlyConfigured|"
        r"MultipleObjectsReturned|"
        r"KeyboardInterrupt|SystemExit|Stop(?:Async)?Iteration|UnhandledPromiseRejection|"
        r"(?:Connect|Read|Write|Pool)Timeout\b|MaxRetryExceeded",
        exceptions,
    ),
    Extractor(
        "stack_frame",
        r"\bat (?:[^\s()]+\.|async |new |node:|<anonymous>|https?:|webpack|[^\n()]+\()|, line \d|"
        rf"\.{_SOURCE}(?::(?:line )?\d|\(\d| on line \d)|@https?:[^\s()@]+:\d",
        frames,
    ),
)
