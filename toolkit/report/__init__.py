"""A verdict as JSON, as Markdown, and as text for a terminal, with the same facts in each; and all other output of the verbs."""

from __future__ import annotations

from toolkit.report.json_documents import (
    SCHEMA,
    artifact_json,
    error_json,
    exit_status,
    outcomes_json,
    rewritten_json,
    run_about,
    run_json,
    source_json,
    status_json,
    tools,
    verdict_json,
)
from toolkit.report.listings import (
    artifact_text,
    findings_text,
    inspected_text,
    nested_text,
    run_text,
    status_text,
    targets_text,
)
from toolkit.report.markdown_page import markdown
from toolkit.report.profiles import profile_json, profile_text, target_json
from toolkit.report.terminal import outcomes_text, verdict_text
from toolkit.report.wording import OUTCOMES, size

__all__ = [
    "OUTCOMES",
    "SCHEMA",
    "artifact_json",
    "artifact_text",
    "error_json",
    "exit_status",
    "findings_text",
    "inspected_text",
    "markdown",
    "nested_text",
    "outcomes_json",
    "outcomes_text",
    "profile_json",
    "profile_text",
    "rewritten_json",
    "run_about",
    "run_json",
    "run_text",
    "size",
    "source_json",
    "status_json",
    "status_text",
    "target_json",
    "targets_text",
    "tools",
    "verdict_json",
    "verdict_text",
]
