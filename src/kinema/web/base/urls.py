"""Home, login, settings."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path

from kinema.web.base import account_views, alert_views, threshold_views, views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("favicon.ico", views.icon),
    path("health/", views.health, name="health"),
    path("settings/", views.settings_page, name="settings"),
    path("settings/alerts/", alert_views.index, name="alerts"),
    path("settings/alerts/alerts.toml", alert_views.as_file, name="alerts-file"),
    path("settings/alerts/new/<slug:kind>/", alert_views.new_receiver, name="new-receiver"),
    path("settings/alerts/<int:pk>/", alert_views.change_receiver, name="receiver"),
    path("settings/alerts/<int:pk>/delete/", alert_views.delete_receiver, name="delete-receiver"),
    path("settings/alerts/<int:pk>/test/", alert_views.test_receiver, name="test-receiver"),
    path("settings/alerts/rules/new/", alert_views.new_rule, name="new-rule"),
    path("settings/alerts/rules/<int:pk>/", alert_views.change_rule, name="rule"),
    path("settings/alerts/rules/<int:pk>/delete/", alert_views.delete_rule, name="delete-rule"),
    path("settings/thresholds/", threshold_views.index, name="thresholds"),
    path("settings/thresholds/<str:key>/", threshold_views.change, name="threshold"),
    path("settings/users/", account_views.users, name="users"),
    path("settings/users/<int:pk>/", account_views.change_user, name="user"),
    path("settings/users/<int:pk>/password/", account_views.reset_password, name="user-password"),
    path("settings/password/", account_views.OwnPassword.as_view(), name="password"),
    path("settings/tokens/", account_views.tokens, name="tokens"),
    path("settings/tokens/<int:pk>/revoke/", account_views.revoke_token, name="revoke-token"),
]
