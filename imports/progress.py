"""An import that runs in the terminal, with a progress bar."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from imports.engine.progress import Tally
from imports.jobs import cancel_import, run_import
from imports.models import Import

COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    DownloadColumn(),
    TransferSpeedColumn(),
    TextColumn("{task.fields[rows]:,} rows, {task.fields[rejects]:,} rejected"),
    TimeRemainingColumn(),
)


def run_with_progress(record: Import) -> Import:
    """Runs a queued import in this process and returns its row as it then is.

    Ctrl-C cancels the import: none of its rows are published.
    """
    with Progress(*COLUMNS, console=Console(stderr=True)) as bar:
        task = bar.add_task(record.dataset, total=None, rows=0, rejects=0)

        def show(tally: Tally) -> None:
            bar.update(
                task,
                completed=tally.bytes_done,
                total=tally.bytes_total,
                rows=tally.rows_loaded,
                rejects=tally.rows_rejected,
            )

        try:
            run_import(record.pk, show)
        except KeyboardInterrupt:
            cancel_import(record.pk)
    record.refresh_from_db()
    return record
