import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kinema.web.videos.models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('jobs', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Video',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=255)),
                ('file', models.CharField(blank=True, max_length=200)),
                ('size', models.BigIntegerField(help_text='Bytes.')),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('duration', models.FloatField(help_text='Seconds.', null=True)),
                ('width', models.PositiveIntegerField(null=True)),
                ('height', models.PositiveIntegerField(null=True)),
                ('fps', models.FloatField(null=True)),
                ('state', models.CharField(choices=[('uploading', 'uploading'), ('checking', 'being checked'), ('ready', 'ready'), ('refused', 'refused')], db_index=True, default='uploading', max_length=10)),
                ('reason', models.TextField(blank=True, help_text='Why it was refused.')),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('token', models.CharField(default=kinema.web.videos.models._token, help_text='Names its upload in addresses.', max_length=32, unique=True)),
                ('key', models.CharField(blank=True, help_text='Given by the client, so that a begun upload is found again.', max_length=64)),
                ('expires', models.DateTimeField(help_text='When an unfinished upload is thrown away.', null=True)),
                ('wanted', models.CharField(blank=True, help_text='The recognizer that is to look at it once it is ready.', max_length=200)),
                ('job', models.ForeignKey(help_text='Of the check.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='jobs.job')),
                ('owner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('owner', 'key'), name='one_upload_a_key')],
            },
        ),
        migrations.CreateModel(
            name='Prediction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recognizer', models.CharField(help_text='The key of the recognizer (`Choice.key`).', max_length=200)),
                ('title', models.CharField(max_length=200)),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('done', models.BooleanField(default=False)),
                ('label', models.CharField(blank=True, max_length=200)),
                ('confidence', models.FloatField(null=True)),
                ('events', models.PositiveIntegerField(null=True)),
                ('job', models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='prediction', to='jobs.job')),
                ('video', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='predictions', to='videos.video')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
    ]
