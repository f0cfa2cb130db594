"""The description of the REST API: OpenAPI, and Swagger's page over it under the strict policy."""

from __future__ import annotations

from drf_spectacular.views import SpectacularSwaggerSplitView


class ApiDocs(SpectacularSwaggerSplitView):
    """Swagger from our own host; its script has an address, so the strict policy holds."""

    template_name = "backoffice/api_docs.html"
    url_name = "api_schema"
