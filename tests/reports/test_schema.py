"""The report's shape: it has a version, and every number has a unit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_isobench.errors import UsageError
from pytest_isobench.models.result import REPORT_VERSION, Outcome, Report, TaskState
from pytest_isobench.reports.schema import RECORDS, UNITS, number_fields, schema_of

SHAPES = {1: "ae73528c9e598b08"}
"""Digest of the shape of each version of the report."""

STRUCTURE = {
    *("$defs", "$ref", "additionalProperties", "anyOf", "const", "enum", "items", "pattern", "prefixItems"),
    *("properties", "required", "type"),
    *("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"),
}


def shape(schema: Any, names: bool = False) -> Any:
    """What a reader must know: the schema without what is only said about it, and without what differs between versions of pydantic."""
    if isinstance(schema, list):
        return [shape(item) for item in schema]
    if not isinstance(schema, dict):
        return int(schema) if isinstance(schema, float) and schema.is_integer() else schema
    kept = schema if names else {key: schema[key] for key in schema if key in STRUCTURE}
    return {key: shape(value, key in ("properties", "$defs") and not names) for key, value in kept.items()}


def test_a_change_of_shape_is_a_new_version() -> None:
    text = json.dumps(shape(Report.model_json_schema()), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert SHAPES.get(REPORT_VERSION) == digest, (
        f"the shape of the report changed. If version {REPORT_VERSION} has been released, raise REPORT_VERSION and the `version` of "
        f"Report and Result in models/result.py, let reports/reading.py read both versions, and say in reports/README.md what "
        f"changed. Then put {REPORT_VERSION}: {digest!r} here."
    )


def test_every_number_has_a_unit() -> None:
    named = {f"{owner}.{field}" for owner, field, _ in number_fields(Report.model_json_schema())}
    assert named == set(UNITS)
    estimate = schema_of("report")["$defs"]["Estimate"]["properties"]["ratio"]
    assert (estimate["unit"], estimate["direction"]) == ("ratio of times, 1 is equal", "higher is faster")


@pytest.mark.parametrize("name", RECORDS)
def test_schemas_are_json(name: str) -> None:
    schema = schema_of(name)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$id"] == f"urn:pytest-isobench:{name}:1"
    assert schema["title"] == RECORDS[name][0].__name__
    assert schema["additionalProperties"] is False


def test_an_unknown_schema_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'reprot' \(did you mean 'report'\?\); schemas: report, result, task"):
        schema_of("reprot")


def test_the_page_names_every_field_outcome_and_state() -> None:
    page = (Path(__file__).parents[2] / "reports" / "README.md").read_text()
    fields = [field for name in ("Totals", "Estimate") for field in schema_of("report")["$defs"][name]["properties"]]
    for word in (*fields, *Report.model_fields, *Outcome, *TaskState):
        assert f"`{word}`" in page, f"reports/README.md does not mention {word}"
