"""Why the recommended settings are what they are, as a small table."""

from __future__ import annotations

from dpo_studio.core.methods import METHODS
from dpo_studio.core.recommended import Recommendation

from .advanced_form import FIELDS


def reasons_text(recommendation: Recommendation) -> str:
    """Each recommended value beside its reason, in rich text."""
    settings = recommendation.settings
    labels = {field.name: field.label for field in FIELDS}
    rows = []
    for name, reason in recommendation.reasons.items():
        value = getattr(settings, name)
        shown = METHODS[value].title if name == "method" else f"{labels[name]} {value:g}"
        rows.append(
            f'<tr><td style="padding:2px 16px 2px 0"><b>{shown}</b></td>'
            f'<td style="padding:2px">{reason[:1].upper()}{reason[1:]}.</td></tr>'
        )
    return f"<table>{''.join(rows)}</table>"
