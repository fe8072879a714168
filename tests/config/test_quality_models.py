"""`quality:` of the configuration."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from scatterflow.config.quality import Quality


def test_what_is_given_replaces_the_default_key_by_key():
    default = Quality()
    found = Quality.model_validate(
        {"xpcs": {"g2_baseline": {"on_violation": "fail"}, "ageing": {"limit": 0.3}}}
    )
    assert found.xpcs.g2_baseline.limit == default.xpcs.g2_baseline.limit
    assert found.xpcs.g2_baseline.on_violation == "fail"
    assert found.xpcs.ageing.limit == 0.3
    assert found.xpcs.ageing.on_violation == "warn"
    assert found.xpcs.structure == default.xpcs.structure
    assert found.saxswaxs == default.saxswaxs


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"xpcs": {"g2_basline": {}}}, "did you mean 'g2_baseline'"),
        ({"xpcs": {"ageing": {"most": 1.0}}}, "unknown key 'most'"),
        ({"xpcs": {"ageing": {"limit": None}}}, "a number, or leave the key out"),
        ({"xpcs": {"ageing": {"on_violation": False}}}, "fail"),
        ({"xpcs": {"ageing": False}}, "ageing"),
        ({"xpcs": {"g2_baseline": {"limit": [1.1, 0.9]}}}, "must be below the second"),
        ({"xpcs": {"g2_baseline": {"limit": 0.9}}}, "limit"),
        ({"saxswaxs": {"ageing": {"limit": 0.9}}}, "unknown key 'ageing'"),
        ({"stops_publication": ["ageing", "agein"]}, "no check 'agein'; did you mean 'ageing'"),
    ],
)
def test_mistakes_are_named(given, message):
    with pytest.raises(ValidationError) as caught:
        Quality.model_validate(given)
    assert message in str(caught.value)


def test_some_checks_may_stop_publication():
    assert Quality.model_validate({"stops_publication": ["ageing"]}).stops_publication == ["ageing"]
    assert Quality().stops_publication is None
