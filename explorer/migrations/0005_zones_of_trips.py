from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def refer_to_zone() -> Any:
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to="explorer.taxizone",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("explorer", "0004_game"),
    ]

    # The columns stay what they are.
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("trip", "pu_location_id"),
                migrations.RemoveField("trip", "do_location_id"),
                migrations.AddField("trip", "pu_location", refer_to_zone()),
                migrations.AddField("trip", "do_location", refer_to_zone()),
            ]
        )
    ]
