import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("imports", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="UploadBlock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("byte_start", models.BigIntegerField()),
                ("data", models.BinaryField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="chunk",
            name="chunk_once",
        ),
        migrations.RemoveField(
            model_name="import",
            name="sha256",
        ),
        migrations.AddField(
            model_name="import",
            name="form",
            field=models.CharField(
                blank=True, default="", help_text="csv, gzip or parquet", max_length=10
            ),
        ),
        migrations.AddField(
            model_name="import",
            name="rows_start",
            field=models.BigIntegerField(default=0, help_text="byte where the first row starts"),
        ),
        migrations.AddField(
            model_name="import",
            name="replaced_by",
            field=models.ForeignKey(
                blank=True,
                help_text="the forced import whose rows took the place of this one's",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="replaces",
                to="imports.import",
            ),
        ),
        migrations.AlterField(
            model_name="chunk",
            name="seq",
            field=models.BigIntegerField(
                help_text="the order in which chunks were cut, not of the file"
            ),
        ),
        migrations.AlterField(
            model_name="import",
            name="same_as",
            field=models.ForeignKey(
                blank=True,
                help_text="the import that had loaded this version of the source already",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="repeats",
                to="imports.import",
            ),
        ),
        migrations.AlterField(
            model_name="import",
            name="url",
            field=models.TextField(
                help_text="http, https, file for a file of the server, or upload"
            ),
        ),
        migrations.AddConstraint(
            model_name="chunk",
            constraint=models.UniqueConstraint(
                fields=("import_record", "byte_start"), name="chunk_once"
            ),
        ),
        migrations.AddField(
            model_name="uploadblock",
            name="import_record",
            field=models.ForeignKey(
                db_column="import_id",
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="upload_blocks",
                to="imports.import",
            ),
        ),
        migrations.AddConstraint(
            model_name="uploadblock",
            constraint=models.UniqueConstraint(
                fields=("import_record", "byte_start"), name="upload_block_once"
            ),
        ),
        # Files are packed already, or will be read once: packing them again costs more than it saves.
        migrations.RunSQL(
            "ALTER TABLE imports_uploadblock ALTER data SET STORAGE EXTERNAL",
            migrations.RunSQL.noop,
        ),
    ]
