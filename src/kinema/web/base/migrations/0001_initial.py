"""Receivers, alert rules, thresholds, API tokens."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Receiver',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, unique=True)),
                ('kind', models.CharField(choices=[('mail', 'Mail'), ('webhook', 'Webhook'), ('mqtt', 'MQTT')], max_length=10)),
                ('settings', models.JSONField(default=dict)),
                ('enabled', models.BooleanField(default=True)),
                ('tested', models.DateTimeField(editable=False, null=True)),
                ('tested_well', models.BooleanField(editable=False, null=True)),
                ('said', models.CharField(blank=True, editable=False, help_text='What the last test said.', max_length=300)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Thresholds',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recognizer', models.CharField(max_length=160, unique=True)),
                ('rules', models.JSONField(default=dict)),
                ('changed', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name_plural': 'thresholds',
            },
        ),
        migrations.CreateModel(
            name='ApiToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60)),
                ('hash', models.CharField(editable=False, max_length=64, unique=True)),
                ('start', models.CharField(editable=False, help_text='Its first letters, to tell tokens apart.', max_length=16)),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('used', models.DateTimeField(editable=False, null=True)),
                ('revoked', models.DateTimeField(editable=False, null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_tokens', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recognizer', models.CharField(blank=True, help_text='The key of one; empty: of all.', max_length=160)),
                ('labels', models.JSONField(default=list, help_text='Empty: every event.')),
                ('when', models.CharField(choices=[('end', 'when it has ended'), ('begin', 'when it begins'), ('both', 'when it begins and when it has ended')], default='end', max_length=5)),
                ('enabled', models.BooleanField(default=True)),
                ('receiver', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rules', to='base.receiver')),
            ],
            options={
                'ordering': ['receiver__name', 'id'],
            },
        ),
    ]
