"""Jobs know whether what is to be done after them is done."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='settled',
            field=models.BooleanField(default=False, editable=False, help_text='Whether what its kind wants done afterwards is done.'),
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('settled', False)), fields=['id'], name='jobs_not_settled'),
        ),
    ]
