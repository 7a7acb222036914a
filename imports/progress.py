"""An import that runs in the terminal, with a progress bar."""

from tqdm import tqdm

from imports.engine.progress import Tally
from imports.jobs import cancel_import, run_import
from imports.models import Import


def run_with_progress(record: Import) -> Import:
    """Runs a queued import in this process and returns its row as it then is.

    Ctrl-C cancels the import: none of its rows are published.
    """
    with tqdm(desc=record.dataset, unit="B", unit_scale=True, dynamic_ncols=True) as bar:

        def show(tally: Tally) -> None:
            bar.total = tally.bytes_total
            bar.n = tally.bytes_done
            bar.set_postfix_str(f"{tally.rows_loaded:,} rows, {tally.rows_rejected:,} rejected")

        try:
            run_import(record.pk, show)
        except KeyboardInterrupt:
            cancel_import(record.pk)
    record.refresh_from_db()
    return record
