"""/jobs/."""

from django.urls import path

from kinema.web.jobs import views

urlpatterns = [
    path("", views.index, name="index"),
    path("open/", views.open_jobs, name="open"),
    path("<int:pk>/", views.show, name="show"),
    path("<int:pk>/cancel/", views.cancel, name="cancel"),
]
