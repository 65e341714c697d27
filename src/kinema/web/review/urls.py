"""/review/."""

from django.urls import path

from kinema.web.review import pages, reviewing, views

urlpatterns = [
    path("", views.index, name="index"),
    path("<int:pk>/", views.show, name="show"),
    path("<int:pk>/clip/", views.clip_file, name="clip"),
    path("<int:pk>/thumbnail/", views.thumbnail_file, name="thumbnail"),
    path("<int:pk>/delete/", views.delete, name="delete"),
    path("<int:pk>/decide/", reviewing.decide_one, name="decide"),
    path("<int:pk>/pot/", pages.pot, name="pot"),
    path("go/", reviewing.go, name="go"),
    path("undo/", reviewing.take_back, name="undo"),
    path("settings/", pages.rules, name="rules"),
    path("report/", pages.report, name="report"),
    path("manifests/", pages.manifests, name="manifests"),
    path("manifests/<str:name>", pages.manifest_file, name="manifest"),
    path("import/", pages.imports, name="import"),
]
