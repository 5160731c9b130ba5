"""All tables of the register in one MetaData: what migrations and the schema test look at."""

from __future__ import annotations

import landdb.access.tables
import landdb.administrative.tables
import landdb.dossier.tables
import landdb.exchange.tables
import landdb.intake.tables
import landdb.party.tables
import landdb.reference.tables
import landdb.sealing.tables
import landdb.service.tables
import landdb.spatial.tables
from landdb.db.metadata import metadata

__all__ = ["landdb", "metadata"]
