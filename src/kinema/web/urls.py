"""The site's addresses: each app's own below its name, the JSON API below /api/."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from kinema.web.api import api
from kinema.web.base.views import admin_login, api_page
from kinema.web.routes import modules

handler400 = "kinema.web.base.errors.bad_request"
handler403 = "kinema.web.base.errors.forbidden"
handler404 = "kinema.web.base.errors.not_found"
handler500 = "kinema.web.base.errors.server_error"

urlpatterns = [
    path("admin/login/", admin_login),  # one login, one rate limit
    path("admin/", admin.site.urls),
    path("api/", api_page, name="api-page"),
    path("api/", api.urls),
    *(
        path(f"{label}/", include((module.urlpatterns, label), namespace=label))
        for label, module in modules("urls")
        if label != "base"
    ),
    path("", include("kinema.web.base.urls")),
]
