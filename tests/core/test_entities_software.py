"""Versions, browsers, operating systems and providers."""

from __future__ import annotations

import pytest

from tests.core.seen import of_type

VERSIONS = {
    "v1.2.3": ["1.2.3"],
    "since 2.14.0-rc1": ["2.14.0-rc1"],
    "Python 3.12": ["3.12"],
    "Python/3.12.1": ["3.12.1"],
    "version 9": ["9"],
    "Version: 10.1": ["10.1"],
    "node v18": ["18"],
    "Node.js 20.11.1": ["20.11.1"],
    "PHP 8": ["8"],
    "Nextcloud 27.1": ["27.1"],
    "upgraded from version 8.0 to 9.0": ["8.0", "9.0"],
    "shop-client==1.4": ["1.4"],
    "cart@2.1.0": ["2.1.0"],
    "Chrome 131.0.6778.86": ["131.0.6778.86"],
    "1.0.0-beta.3": ["1.0.0-beta.3"],
    "7.1.0.GA": ["7.1.0.GA"],
    "2.0.0-SNAPSHOT": ["2.0.0-SNAPSHOT"],
    "3.1.0rc2": ["3.1.0rc2"],
    "2025.3.4+1a2b3c4": ["2025.3.4"],
    "version 1.2.3.4": ["1.2.3.4"],
    "版本：2.3.1": ["2.3.1"],
    "バージョン 5.2": ["5.2"],
    "Versión 3.1": ["3.1"],
    "git version 2.41.0.windows.3": ["2.41.0"],
    "V10.2 of the app": ["10.2"],
    "TLS 1.2 only": ["1.2"],
    "Piper 2.9.10.4 is slow": ["2.9.10.4"],
}
NO_VERSIONS = (
    "10.0.45.2",
    "2026.11.22",
    "22.11.2026",
    "2026-11-22",
    "it took 3.5 seconds",
    "costs 19.99",
    "USD 3.50",
    "about 2.5 GB",
    "Section 2.1",
    "a ratio of 1.5",
    "1,234,567.89",
    "10:30:15.123",
    "42 users",
    "Table 3.2 shows",
    "192.168.0.1:80",
    "Server 10.0.0.1",
    "Gateway 192.168.0.1",
    "20 % more",
)
BROWSERS = {
    "in Chrome only": ["Chrome"],
    "Google Chrome 131": ["Chrome"],
    "firefox works": ["Firefox".lower()],
    "Microsoft Edge": ["Microsoft Edge"],
    "Chrome, Edge and Safari": ["Chrome", "Edge", "Safari"],
    "Edge 120": ["Edge"],
    "Internet Explorer 11": ["Internet Explorer"],
    "Brave and Opera": ["Brave", "Opera"],
    "IE 11": ["IE"],
    "在Chrome浏览器": ["Chrome"],
    "Samsung Internet": ["Samsung Internet"],
    "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/125.0.0.0 Safari/537.36": ["Chrome"],
    "Version/17.4 Safari/605.1.15": ["Safari"],
}
NO_BROWSERS = (
    "an edge case",
    "Edge functions time out",
    "on the edge of the table",
    "a brave attempt",
    "chromedriver",
    "i.e. this",
    "the browser",
)
SYSTEMS = {
    "Windows 11": ["Windows 11"],
    "on Windows": ["Windows"],
    "Windows-10-10.0.19045": ["Windows"],
    "Windows Server 2019": ["Windows Server 2019"],
    "macOS 14.5": ["macOS 14.5"],
    "macOS Sonoma": ["macOS"],
    "Mac OS X 10.15": ["Mac OS X 10.15"],
    "Ubuntu 22.04.4 LTS": ["Ubuntu 22.04"],
    "ubuntu-24.04": ["ubuntu-24.04"],
    "Debian 12": ["Debian 12"],
    "iOS/Android": ["iOS", "Android"],
    "iOS 17.2.1": ["iOS 17.2"],
    "my Mac": ["Mac"],
    "RHEL 9": ["RHEL 9"],
    "Linux": ["Linux"],
    "Linux服务器": ["Linux"],
    "CentOS and Rocky Linux": ["CentOS", "Rocky Linux"],
}
NO_SYSTEMS = (
    "two windows open",
    "MAC address",
    "/opt/android/sdk",
    "linux_amd64",
    "windows.alert()",
    "iostream",
)
PROVIDERS = {
    "IdP is Okta": ["Okta"],
    "okta login": ["okta"],
    "Azure AD": ["Azure AD"],
    "Microsoft Entra ID": ["Microsoft Entra ID"],
    "Google Workspace": ["Google Workspace"],
    "Auth0, OneLogin, Keycloak": ["Auth0", "OneLogin", "Keycloak"],
    "Stripe webhook": ["Stripe"],
    "AWS EC2": ["AWS", "EC2"],
    "Slack and Salesforce": ["Slack", "Salesforce"],
    "GitHub, GitLab": ["GitHub", "GitLab"],
    "MongoDB Atlas": ["MongoDB Atlas"],
    "Cloudflare": ["Cloudflare"],
    "Ping Identity": ["Ping Identity"],
    "OpenAI and Anthropic": ["OpenAI", "Anthropic"],
    "Segment and Notion": ["Segment", "Notion"],
    "使用Supabase": ["Supabase"],
}
NO_PROVIDERS = (
    "ping the server",
    "a segment of the front box",
    "render the notion",
    "SLACK_TOKEN=1",
    "https://acme.okta.com/x",
    "zoom in and square it",
    "linear growth",
    "stripe.charges.create()",
    "ada@gmail.com",
)


@pytest.mark.parametrize(("text", "expected"), VERSIONS.items())
def test_a_version_is_the_number_without_its_v(text: str, expected: list[str]) -> None:
    """Three numbers, a v, a word or a product's name make a version; a pre-release belongs to it."""
    assert of_type(text, "version") == expected


@pytest.mark.parametrize("text", NO_VERSIONS)
def test_amounts_dates_and_addresses_are_no_versions(text: str) -> None:
    """Dots between numbers do not make a version."""
    assert of_type(text, "version") == []


@pytest.mark.parametrize(("text", "expected"), BROWSERS.items())
def test_a_browser_is_its_name(text: str, expected: list[str]) -> None:
    """The name stands without the version."""
    assert of_type(text, "browser") == expected


@pytest.mark.parametrize("text", NO_BROWSERS)
def test_words_like_edge_are_no_browsers(text: str) -> None:
    """Names that are words count only where they name a browser."""
    assert of_type(text, "browser") == []


@pytest.mark.parametrize(("text", "expected"), SYSTEMS.items())
def test_a_system_keeps_its_release(text: str, expected: list[str]) -> None:
    """The name with its release, patch level left out."""
    assert of_type(text, "os") == expected


@pytest.mark.parametrize("text", NO_SYSTEMS)
def test_windows_to_look_through_are_no_system(text: str) -> None:
    """Words, identifiers and folders are no operating systems."""
    assert of_type(text, "os") == []


@pytest.mark.parametrize(("text", "expected"), PROVIDERS.items())
def test_a_provider_is_named_as_customers_name_it(text: str, expected: list[str]) -> None:
    """Identity, cloud, payment, mail, chat and model providers, in any case where it is no word."""
    assert of_type(text, "provider") == expected


@pytest.mark.parametrize("text", NO_PROVIDERS)
def test_ordinary_words_are_no_providers(text: str) -> None:
    """Words, settings, code and addresses that contain a provider's name are not the provider."""
    assert of_type(text, "provider") == []
