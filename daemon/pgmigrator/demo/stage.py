"""What the demo plays on: a source and a destination server in a folder of their own.

The settings are those that a DBA would choose for two databases: see the formulas of preflight.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pgmigrator.demo.installations import find_installation
from pgmigrator.demo.servers import Server, new_home

SOURCE_MAJOR, DESTINATION_MAJOR = 16, 18
SOURCE_SETTINGS = {
    "wal_level": "logical",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    # a migration that dies must not fill the disk of the source
    "max_slot_wal_keep_size": "4GB",
    "max_wal_size": "2GB",
}
DESTINATION_SETTINGS = {
    "max_worker_processes": "24",
    "max_logical_replication_workers": "16",
    "max_sync_workers_per_subscription": "2",
    "max_active_replication_origins": "20",
    "wal_retrieve_retry_interval": "500ms",
    "max_wal_size": "2GB",
}


@dataclass(frozen=True)
class Stage:
    """Both servers, running."""

    source: Server
    destination: Server


@contextmanager
def stage() -> Iterator[Stage]:
    """Make and start both servers; stop and remove them in the end."""
    home = new_home()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        servers = []
        for side, major, settings in (
            ("source", SOURCE_MAJOR, SOURCE_SETTINGS),
            ("destination", DESTINATION_MAJOR, DESTINATION_SETTINGS),
        ):
            server = Server.create(find_installation(major), home / side, settings)
            stack.callback(server.destroy)
            server.start()
            servers.append(server)
        yield Stage(*servers)
