"""A data folder with a Prefect database that needs no migrations: half of a server's first start."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def seeded(folder: Path, prefect_data: Path, *, empty: bool = False) -> Path:
    """The folder, with the database of another one.

    Args:
        folder: Made here.
        prefect_data: A data folder whose server has begun.
        empty: Take the tables and not what is in them.
    """
    home = folder / "prefect"
    home.mkdir(parents=True)
    with (
        closing(sqlite3.connect(prefect_data / "prefect" / "prefect.db")) as old,
        closing(sqlite3.connect(home / "prefect.db")) as new,
    ):
        old.backup(new)
        if empty:
            tables = "select name from sqlite_master where type = 'table'"
            for (table,) in new.execute(tables).fetchall():
                if not table.startswith(("sqlite_", "alembic_")):
                    new.execute(f'delete from "{table}"')
            new.commit()
    return folder
