"""/runs/."""

from django.urls import path

from kinema.web.runs import clip_views, training_views, views

urlpatterns = [
    path("", views.index, name="index"),
    path("compare/", views.compare, name="compare"),
    path("start/", training_views.start, name="start"),
    path("training/<int:pk>/", training_views.training, name="training"),
    path("training/<int:pk>/cancel/", training_views.cancel, name="cancel"),
    path("training/<int:pk>/curves/", training_views.curves, name="curves"),
    path("unfinished/<str:key>/resume/", training_views.resume, name="resume"),
    path("<str:key>/", views.show, name="show"),
    path("<str:key>/report/", views.report_page, name="report"),
    path("<str:key>/files/<path:name>", views.download, name="file"),
    path("<str:key>/clips/", clip_views.clips, name="clips"),
    path("<str:key>/clips/<int:row>/", clip_views.clip, name="clip"),
    path("<str:key>/clips/<int:row>/video/", clip_views.video, name="video"),
    path("<str:key>/clips/<int:row>/excerpt/", clip_views.excerpt, name="excerpt"),
    path("<str:key>/clips/<int:row>/strip/", clip_views.strip, name="strip"),
]
