"""/teach/."""

from django.urls import path

from kinema.web.teach import pages, take_pages

urlpatterns = [
    path("", pages.index, name="index"),
    path("<int:pk>/", pages.project, name="project"),
    path("<int:pk>/state/", pages.state, name="state"),
    path("<int:pk>/settings/", pages.change, name="change"),
    path("<int:pk>/actions/", pages.add_action, name="add_action"),
    path("<int:pk>/train/", pages.train, name="train"),
    path("<int:pk>/delete/", pages.delete, name="delete"),
    path("<int:pk>/recognizer.zip", pages.download, name="download"),
    path("<int:pk>/takes/", take_pages.upload, name="upload"),
    path("<int:pk>/warm/", take_pages.warm, name="warm"),
    path("actions/<int:pk>/delete/", pages.delete_action, name="delete_action"),
    path("takes/<int:pk>/clip.mp4", take_pages.clip, name="clip"),
    path("takes/<int:pk>/thumbnail.jpg", take_pages.thumbnail, name="thumbnail"),
    path("takes/<int:pk>/delete/", take_pages.delete, name="delete_take"),
]
