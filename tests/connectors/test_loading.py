from __future__ import annotations

from importlib.metadata import EntryPoint

from rung.connectors import GROUP, load_connectors


def entry(name: str, value: str) -> EntryPoint:
    """An entry point of some package."""
    return EntryPoint(name=name, value=value, group=GROUP)


def test_a_broken_plugin_is_reported_and_the_others_work() -> None:
    """A stranger's failing import, a thing that is no connector, a wrong name: each with its reason."""
    found = load_connectors(
        [
            entry("generic", "rung.connectors.generic:connector"),
            entry("gone", "no_such_package.desk:connector"),
            entry("other", "rung.connectors.zendesk:connector"),
            entry("thing", "rung.connectors:GROUP"),
        ]
    )

    assert set(found.loaded) == {"generic"}
    why = {broken.name: broken.why for broken in found.broken}
    assert "ModuleNotFoundError" in why["gone"]
    assert "'zendesk'" in why["other"]
    assert why.keys() == {"gone", "other", "thing"}


def test_a_name_is_given_once() -> None:
    """Of two connectors with one name the first is taken and the other one reported."""
    found = load_connectors(
        [
            entry("zendesk", "rung.connectors.zendesk:connector"),
            entry("zendesk", "zz_other.zendesk:connector"),
        ]
    )

    assert set(found.loaded) == {"zendesk"}
    assert [broken.origin for broken in found.broken] == ["zz_other.zendesk:connector"]
