"""Error codes, by their own form and by the words before them."""

from __future__ import annotations

import pytest

from tests.core.seen import of_type

CODES = {
    # operating system and libuv
    "Error: ECONNREFUSED 10.0.45.2:5432": ["ECONNREFUSED"],
    "getaddrinfo ENOTFOUND db.shop.example": ["ENOTFOUND"],
    "connect ETIMEDOUT": ["ETIMEDOUT"],
    "EACCES: permission denied": ["EACCES"],
    "[Errno 13] Permission denied": ["Errno 13"],
    "WSAECONNRESET (10054)": ["WSAECONNRESET"],
    "errno: 111": ["errno: 111"],
    # databases
    "SQLSTATE[HY000] [2002] refused": ["SQLSTATE[HY000]"],
    "SQLSTATE: 57014": ["57014"],
    "ERROR 1045 (28000): Access denied": ["1045", "28000"],
    "ORA-12541: TNS:no listener": ["ORA-12541"],
    "OperationalError: (1040, 'Too many connections')": ["1040"],
    "E11000 duplicate key": ["E11000"],
    "PGRST116": ["PGRST116"],
    "Prisma P2002 on create": ["P2002"],
    "Msg 18456, Level 14": ["18456"],
    # TLS and browsers
    "NET::ERR_CERT_AUTHORITY_INVALID": ["NET::ERR_CERT_AUTHORITY_INVALID"],
    "ERR_SSL_PROTOCOL_ERROR": ["ERR_SSL_PROTOCOL_ERROR"],
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed": ["CERTIFICATE_VERIFY_FAILED"],
    "[SSL: WRONG_VERSION_NUMBER] wrong version number": ["WRONG_VERSION_NUMBER"],
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE": ["UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    "sslv3 alert handshake_failure": ["handshake_failure"],
    "SSL alert number 40": ["40"],
    "DNS_PROBE_FINISHED_NXDOMAIN": ["DNS_PROBE_FINISHED_NXDOMAIN"],
    # sign-in
    "AADSTS50011: The redirect URI": ["AADSTS50011"],
    '{"error":"invalid_grant"}': ["invalid_grant"],
    "invalid_client after the rotation": ["invalid_client"],
    "https://shop.example/cb?error=access_denied": ["access_denied"],
    "redirect_uri_mismatch": ["redirect_uri_mismatch"],
    # APIs
    '"type": "invalid_request_error"': ["invalid_request_error"],
    '"code": "card_declined"': ["card_declined"],
    "code='invalid_value'": ["invalid_value"],
    '"error_code": "OrderRejected"': ["OrderRejected"],
    "errorCode: SHOP-0042": ["SHOP-0042"],
    "rpc error: code = Unavailable desc = gone": ["Unavailable"],
    "StatusCode.DEADLINE_EXCEEDED": ["DEADLINE_EXCEEDED"],
    "14 UNAVAILABLE: no connection": ["UNAVAILABLE"],
    "RESOURCE_EXHAUSTED": ["RESOURCE_EXHAUSTED"],
    "INVALID_QUERY_SYNTAX": ["INVALID_QUERY_SYNTAX"],
    "the code E_STOCK_EMPTY": ["E_STOCK_EMPTY"],
    # mail
    "550 5.7.1 rejected": ["5.7.1"],
    "dsn=5.4.6": ["5.4.6"],
    # containers, processes, Windows
    "pod is in CrashLoopBackOff": ["CrashLoopBackOff"],
    "ImagePullBackOff": ["ImagePullBackOff"],
    "Last State: OOMKilled": ["OOMKilled"],
    "exited with code 137": ["137"],
    "exit status 1": ["1"],
    "fatal signal SIGSEGV": ["SIGSEGV"],
    "HRESULT: 0x80070005": ["0x80070005"],
    # compilers
    "error TS2345: Argument of type": ["TS2345"],
    "error CS0103: The name": ["CS0103"],
    "error[E0382]: borrow of moved value": ["E0382"],
    # other languages
    "Fehlercode: 1234": ["1234"],
    "错误码：10086": ["10086"],
    "エラーコード: 4021": ["4021"],
    "código de error: 1205": ["1205"],
    "error code 1020": ["1020"],
}
NO_CODES = (
    "an error occurred",
    "Error: something is wrong",
    "error 503",
    "the error code is below",
    "MAX_RETRIES=5",
    "ERROR_LOG=/var/log/app.log",
    "LOG_LEVEL and NODE_ENV",
    "$INVALID_STATE",
    "TODO: nothing",
    "a type: integer",
    "errors: 3.5%",
    "E1 and F2",
    "ISO-8859",
    "UTF-8",
    "version 5.7.1",
    '"code": "none"',
    "error 3 times",
    "MAX_ERROR_RETRIES",
    "the ERROR_PAGE setting",
    "Android 4.1.3",
    "exit code 0",
    "the invalid request",
)


@pytest.mark.parametrize(("text", "expected"), CODES.items())
def test_a_code_is_what_one_would_look_up(text: str, expected: list[str]) -> None:
    """The code alone is found, without the words around it."""
    assert of_type(text, "error_code") == expected


@pytest.mark.parametrize("text", NO_CODES)
def test_words_and_settings_are_no_codes(text: str) -> None:
    """Prose, settings, counts, HTTP statuses and encodings are no error codes."""
    assert of_type(text, "error_code") == []


def test_a_class_named_as_the_code_is_both() -> None:
    """A service that answers with a class name as its code gives an exception and a code."""
    text = '{"error_code":"OrderInvalidException"}'

    assert of_type(text, "error_code") == of_type(text, "exception") == ["OrderInvalidException"]


def test_a_mail_code_is_no_version() -> None:
    """Of an error code and a version at one place, the code stays."""
    assert of_type("550 5.7.1 rejected", "version") == []
