from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def refer_to_zone(column: str) -> Any:
    return models.ForeignObject(
        from_fields=[column],
        null=True,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to="explorer.taxizone",
        to_fields=["location_id"],
    )


class Migration(migrations.Migration):
    dependencies = [
        ("explorer", "0004_game"),
    ]

    # They have no columns of their own.
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField("trip", "pu_location", refer_to_zone("pu_location_id")),
                migrations.AddField("trip", "do_location", refer_to_zone("do_location_id")),
            ]
        )
    ]
