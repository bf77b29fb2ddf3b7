"""The filters, by name."""

from __future__ import annotations

from azekura.templates.filters import casing, choices, dates, html, links, lists, numeric, padding, truncation, urls
from azekura.templates.filters.apply import Filter

FILTERS: dict[bytes, Filter] = {
    **casing.FILTERS,
    **choices.FILTERS,
    **dates.FILTERS,
    **html.FILTERS,
    **links.FILTERS,
    **lists.FILTERS,
    **numeric.FILTERS,
    **padding.FILTERS,
    **truncation.FILTERS,
    **urls.FILTERS,
}
