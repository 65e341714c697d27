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
            name='Clip',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.CharField(help_text="The event's id.", max_length=255, unique=True)),
                ('kind', models.CharField(choices=[('event', 'live event'), ('mined', 'mined')], default='event', max_length=10)),
                ('label', models.CharField(help_text='What the recognizer says.', max_length=200)),
                ('score', models.FloatField(blank=True, help_text='Peak probability of the label.', null=True)),
                ('mean', models.FloatField(blank=True, null=True)),
                ('source', models.CharField(blank=True, max_length=300)),
                ('recognizer', models.CharField(blank=True, max_length=200)),
                ('recorded', models.DateTimeField(help_text='When it happened, or when its file was made.')),
                ('start', models.FloatField(blank=True, help_text='Seconds in the source.', null=True)),
                ('end', models.FloatField(blank=True, null=True)),
                ('clip_start', models.FloatField(blank=True, help_text="Where in the source the clip's file begins.", null=True)),
                ('clip_end', models.FloatField(blank=True, null=True)),
                ('clip', models.CharField(blank=True, help_text="Path below the site's folder.", max_length=500)),
                ('thumbnail', models.CharField(blank=True, help_text="Path below the site's folder.", max_length=500)),
                ('video', models.CharField(blank=True, help_text='Path or id of the video it is from.', max_length=500)),
                ('family', models.CharField(blank=True, help_text='Near-duplicates share one.', max_length=100)),
                ('known', models.CharField(blank=True, help_text='The answer, where it is known beforehand.', max_length=200, null=True)),
                ('details', models.JSONField(blank=True, default=dict)),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('state', models.CharField(choices=[('new', 'new'), ('open', 'open'), ('accepted', 'accepted'), ('wrong', 'wrong'), ('disputed', 'disputed')], default='new', max_length=10)),
                ('agreed', models.CharField(blank=True, max_length=200)),
                ('votes', models.PositiveSmallIntegerField(default=0)),
            ],
            options={
                'ordering': ['-recorded', '-id'],
            },
        ),
        migrations.CreateModel(
            name='ReviewSettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('need', models.PositiveSmallIntegerField(default=1)),
                ('of', models.PositiveSmallIntegerField(default=1)),
                ('pots_every', models.PositiveSmallIntegerField(default=10)),
            ],
            options={
                'verbose_name_plural': 'review settings',
            },
        ),
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text="The reviewer's, who may be gone.", max_length=150)),
                ('verdict', models.CharField(choices=[('accept', 'accept'), ('wrong', 'wrong'), ('relabel', 'relabel'), ('skip', 'skip'), ('undo', 'undo')], max_length=10)),
                ('label', models.CharField(blank=True, max_length=200)),
                ('when', models.DateTimeField(auto_now_add=True)),
                ('clip', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='decisions', to='review.clip')),
                ('reviewer', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='decisions', to=settings.AUTH_USER_MODEL)),
                ('undoes', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='undone_by', to='review.decision')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddIndex(
            model_name='clip',
            index=models.Index(fields=['-recorded', '-id'], name='review_newest'),
        ),
        migrations.AddIndex(
            model_name='clip',
            index=models.Index(fields=['state', '-recorded'], name='review_state'),
        ),
        migrations.AddIndex(
            model_name='clip',
            index=models.Index(fields=['label', '-recorded'], name='review_label'),
        ),
        migrations.AddIndex(
            model_name='clip',
            index=models.Index(fields=['source', '-recorded'], name='review_source'),
        ),
        migrations.AddIndex(
            model_name='clip',
            index=models.Index(fields=['family'], name='review_family'),
        ),
    ]
