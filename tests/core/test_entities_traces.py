"""Exceptions and stack frames, language by language."""

from __future__ import annotations

import pytest

from tests.core.seen import of_type

EXCEPTIONS = {
    # Java and its family
    "javax.net.ssl.SSLHandshakeException: PKIX path building failed": ["javax.net.ssl.SSLHandshakeException"],
    'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space': ["java.lang.OutOfMemoryError"],
    "Caused by: com.shop.Cart$EmptyCartException: nothing in it": ["com.shop.Cart$EmptyCartException"],
    "Caused by: com.shop.stock.SoldOut: nothing left": ["com.shop.stock.SoldOut"],
    "java.lang.Exception: boom": ["java.lang.Exception"],
    "kotlin.UninitializedPropertyAccessException: lateinit": ["kotlin.UninitializedPropertyAccessException"],
    # Python
    "psycopg2.OperationalError: could not connect": ["psycopg2.OperationalError"],
    "KeyError: 'sku'": ["KeyError"],
    "requests.exceptions.ReadTimeout: read timed out": ["requests.exceptions.ReadTimeout"],
    "sqlalchemy.exc.IntegrityError: (psycopg2.errors.UniqueViolation) duplicate": [
        "sqlalchemy.exc.IntegrityError",
        "psycopg2.errors.UniqueViolation",
    ],
    "shop.models.Order.DoesNotExist: Order matching query": ["shop.models.Order.DoesNotExist"],
    # JavaScript and Node
    "Uncaught TypeError: Cannot read properties of undefined": ["TypeError"],
    "(node:12) UnhandledPromiseRejectionWarning: FetchError: request failed": ["FetchError"],
    "AxiosError: Request failed with status code 500": ["AxiosError"],
    r'{"stack":"\nRangeError: Invalid array length"}': ["RangeError"],
    r"in project\n\nshop.client.QuotaError: none left": ["shop.client.QuotaError"],
    # Go
    "panic: runtime error: index out of range [3] with length 3": ["panic"],
    # Rust
    "thread 'main' panicked at src/main.rs:4:10:": ["panicked"],
    # Ruby
    "ActiveRecord::StatementInvalid: PG::ConnectionBad: no server": [
        "ActiveRecord::StatementInvalid",
        "PG::ConnectionBad",
    ],
    "Net::ReadTimeout with #<TCPSocket>": ["Net::ReadTimeout"],
    "NoMethodError (undefined method 'id' for nil)": ["NoMethodError"],
    # PHP
    r"PHP Fatal error:  Uncaught App\Billing\InvoiceException: no total": [r"App\Billing\InvoiceException"],
    r"Illuminate\Database\QueryException: SQLSTATE": [r"Illuminate\Database\QueryException"],
    # .NET
    "System.NullReferenceException: Object reference not set": ["System.NullReferenceException"],
    "System.Exception: no": ["System.Exception"],
    # anywhere, in any language around it
    "seit heute kommt ein SocketTimeoutException beim Speichern": ["SocketTimeoutException"],
    "出现NullPointerException错误": ["NullPointerException"],
    "the NSInvalidArgumentException again": ["NSInvalidArgumentException"],
    "RateLimitError, then APIConnectionError": ["RateLimitError", "APIConnectionError"],
}
NO_EXCEPTIONS = (
    "Error: it does not work",
    "an Exception to the rule",
    "ERROR while saving",
    "errors and exceptions",
    "call onError() or isTypeError(x)",
    "the handleException method",
    "Std::Vector of things",
    "Don't panic, it is only a warning",
    "Errors: 3",
)

FRAMES = {
    "\tat com.shop.Cart.add(Cart.java:12)": ["com.shop.Cart.add(Cart.java:12)"],
    "at java.base/java.lang.Thread.run(Thread.java:840)": ["java.base/java.lang.Thread.run(Thread.java:840)"],
    "at sun.misc.Unsafe.park(Native Method)": ["sun.misc.Unsafe.park(Native Method)"],
    "at com.shop.Cart$1.<init>(Cart.kt:7)": ["com.shop.Cart$1.<init>(Cart.kt:7)"],
    'File "/srv/shop/cart.py", line 12, in add': ['File "/srv/shop/cart.py", line 12, in add'],
    r"File \"/srv/cart.py\", line 3, in <module>": [r"File \"/srv/cart.py\", line 3, in <module>"],
    "    at addItem (/srv/cart.js:12:34)": ["addItem (/srv/cart.js:12:34)"],
    "    at async Promise.all (index.ts:3:4)": ["async Promise.all (index.ts:3:4)"],
    "    at process.processTicks (node:internal/process/task_queues:95:5)": [
        "process.processTicks (node:internal/process/task_queues:95:5)"
    ],
    "    at /srv/cart.mjs:12:34": ["/srv/cart.mjs:12:34"],
    "addItem@https://shop.example/static/app.js:10:200": [
        "addItem@https://shop.example/static/app.js:10:200"
    ],
    "\t/srv/cart/main.go:40 +0x1d": ["/srv/cart/main.go:40"],
    "./src/main.rs:4:10": ["./src/main.rs:4:10"],
    "from /srv/app/models/cart.rb:12:in 'add'": ["/srv/app/models/cart.rb:12:in 'add'"],
    "app/models/cart.rb:12:in `add'": ["app/models/cart.rb:12:in `add'"],
    "#0 /var/www/Cart.php(12): Shop\\Cart->add()": ["/var/www/Cart.php(12): Shop\\Cart->add"],
    "in /var/www/Cart.php on line 12": ["/var/www/Cart.php on line 12"],
    "/var/www/Cart.php:12": ["/var/www/Cart.php:12"],
    r"   at Shop.Cart.Add(Int32 id) in C:\src\Cart.cs:line 12": [
        r"Shop.Cart.Add(Int32 id) in C:\src\Cart.cs:line 12"
    ],
    "   at System.Data.SqlClient.SqlConnection.Open()": ["System.Data.SqlClient.SqlConnection.Open()"],
    "lib/shop/cart.ex:12: Shop.Cart.add/1": ["lib/shop/cart.ex:12"],
}
NO_FRAMES = (
    "we met at 10:30:15 and it failed at noon (again)",
    "at the office (in Berlin)",
    "see README.md: 3 steps",
    "open main.py and look",
    "at least 3:1",
)


@pytest.mark.parametrize(("text", "expected"), EXCEPTIONS.items())
def test_an_exception_is_its_class_with_its_package(text: str, expected: list[str]) -> None:
    """The class name is found in its language's own notation, with package or namespace."""
    assert of_type(text, "exception") == expected


@pytest.mark.parametrize("text", NO_EXCEPTIONS)
def test_plain_words_are_no_exceptions(text: str) -> None:
    """Words, method names and counters that contain "error" stay words."""
    assert of_type(text, "exception") == []


@pytest.mark.parametrize(("text", "expected"), FRAMES.items())
def test_a_frame_names_a_place_in_code(text: str, expected: list[str]) -> None:
    """A frame is found in its language's own notation, without the word before it."""
    assert of_type(text, "stack_frame") == expected


@pytest.mark.parametrize("text", NO_FRAMES)
def test_times_and_prose_are_no_frames(text: str) -> None:
    """The word "at", times and file names do not make a frame."""
    assert of_type(text, "stack_frame") == []


def test_a_whole_trace_reads_top_down_and_is_cut() -> None:
    """Exception first, then its frames in order; a very deep trace keeps its top."""
    trace = "com.shop.StockException: none\n" + "".join(
        f"\tat com.shop.Cart.step{n}(Cart.java:{n})\n" for n in range(200)
    )

    assert of_type(trace, "exception") == ["com.shop.StockException"]
    frames = of_type(trace, "stack_frame")
    assert frames[0] == "com.shop.Cart.step0(Cart.java:0)"
    assert len(frames) == 20


def test_nothing_else_is_read_out_of_a_frame_but_addresses() -> None:
    """A class in a frame's name is no exception of the ticket; the address of a script is one."""
    assert of_type("at com.shop.StockException.<init>(StockException.java:3)", "exception") == []
    assert of_type("at add (https://static.shop.example/app.js:1:2)", "host") == ["static.shop.example"]
