import datetime
from decimal import Decimal

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

import config.api.fields
from explorer.partitions import CreatePartitionedModel


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("imports", "0001_initial"),
    ]

    operations = [
        CreatePartitionedModel(
            name="Trip",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("hvfhs_license_num", models.TextField()),
                ("dispatching_base_num", models.TextField(null=True)),
                ("originating_base_num", models.TextField(null=True)),
                ("request_datetime", models.DateTimeField(null=True)),
                ("on_scene_datetime", models.DateTimeField(null=True)),
                ("pickup_datetime", models.DateTimeField()),
                ("dropoff_datetime", models.DateTimeField()),
                ("pu_location_id", models.IntegerField(null=True)),
                ("do_location_id", models.IntegerField(null=True)),
                ("trip_miles", config.api.fields.NumericField(null=True)),
                ("trip_time", models.IntegerField(null=True)),
                ("base_passenger_fare", config.api.fields.NumericField(null=True)),
                ("tolls", config.api.fields.NumericField(null=True)),
                ("bcf", config.api.fields.NumericField(null=True)),
                ("sales_tax", config.api.fields.NumericField(null=True)),
                ("congestion_surcharge", config.api.fields.NumericField(null=True)),
                ("airport_fee", config.api.fields.NumericField(null=True)),
                ("tips", config.api.fields.NumericField(null=True)),
                ("driver_pay", config.api.fields.NumericField(null=True)),
                ("shared_request_flag", models.TextField(null=True)),
                ("shared_match_flag", models.TextField(null=True)),
                ("access_a_ride_flag", models.TextField(null=True)),
                ("wav_request_flag", models.TextField(null=True)),
                ("wav_match_flag", models.TextField(null=True)),
                ("cbd_congestion_fee", config.api.fields.NumericField(null=True)),
                (
                    "import_record",
                    models.ForeignKey(
                        db_column="import_id",
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="imports.import",
                    ),
                ),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.BrinIndex(
                        fields=[
                            "request_datetime",
                            "on_scene_datetime",
                            "pickup_datetime",
                            "dropoff_datetime",
                        ],
                        name="trip_times",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "request_datetime__gte",
                                datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                            (
                                "request_datetime__lt",
                                datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                        ),
                        name="trip_request_datetime_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "on_scene_datetime__gte",
                                datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                            (
                                "on_scene_datetime__lt",
                                datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                        ),
                        name="trip_on_scene_datetime_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "pickup_datetime__gte",
                                datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                            (
                                "pickup_datetime__lt",
                                datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                        ),
                        name="trip_pickup_datetime_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "dropoff_datetime__gte",
                                datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                            (
                                "dropoff_datetime__lt",
                                datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                        ),
                        name="trip_dropoff_datetime_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("trip_miles__gt", Decimal("-Infinity")),
                            ("trip_miles__lt", Decimal("Infinity")),
                        ),
                        name="trip_trip_miles_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("base_passenger_fare__gt", Decimal("-Infinity")),
                            ("base_passenger_fare__lt", Decimal("Infinity")),
                        ),
                        name="trip_base_passenger_fare_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("tolls__gt", Decimal("-Infinity")), ("tolls__lt", Decimal("Infinity"))
                        ),
                        name="trip_tolls_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("bcf__gt", Decimal("-Infinity")), ("bcf__lt", Decimal("Infinity"))
                        ),
                        name="trip_bcf_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sales_tax__gt", Decimal("-Infinity")),
                            ("sales_tax__lt", Decimal("Infinity")),
                        ),
                        name="trip_sales_tax_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("congestion_surcharge__gt", Decimal("-Infinity")),
                            ("congestion_surcharge__lt", Decimal("Infinity")),
                        ),
                        name="trip_congestion_surcharge_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("airport_fee__gt", Decimal("-Infinity")),
                            ("airport_fee__lt", Decimal("Infinity")),
                        ),
                        name="trip_airport_fee_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("tips__gt", Decimal("-Infinity")), ("tips__lt", Decimal("Infinity"))
                        ),
                        name="trip_tips_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("driver_pay__gt", Decimal("-Infinity")),
                            ("driver_pay__lt", Decimal("Infinity")),
                        ),
                        name="trip_driver_pay_finite",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("cbd_congestion_fee__gt", Decimal("-Infinity")),
                            ("cbd_congestion_fee__lt", Decimal("Infinity")),
                        ),
                        name="trip_cbd_congestion_fee_finite",
                    ),
                ],
            },
        ),
    ]
