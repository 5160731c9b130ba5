"""Every setting of the system, once, frozen, read from the environment with the prefix ``LANDDB_``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of one process. ``.env.example`` shows each; a test keeps the two alike."""

    model_config = SettingsConfigDict(env_prefix="LANDDB_", frozen=True, extra="ignore")

    env: Literal["demo", "production"] = Field(
        default="demo", description="production refuses demo accounts and default secrets"
    )
    data: Path = Field(default=Path(".landdb"), description="folder of the embedded database and of stored files")
    database_url: str = Field(
        default="", description="postgresql://… of a PostGIS server; empty: the embedded one is used"
    )
    read_database_urls: list[str] = Field(default=[], description="read replicas, as a JSON list")
    province: str = Field(default="94", description="code of the province that this register serves")
    storage_srid: int = Field(default=9209, description="EPSG code of the zone in which the register keeps geometry")
    files: str = Field(
        default="", description="folder (or s3://…) of uploaded files; empty: a folder inside LANDDB_DATA"
    )
    secret_file: Path | None = Field(
        default=None, description="file with the secret key; empty: made inside LANDDB_DATA (demo only)"
    )
    trust_folder: Path | None = Field(
        default=None, description="folder of certificates that personal signatures must lead to; empty: nobody's"
    )
    real_data: Path | None = Field(default=None, description="folder of foreign files for the interoperability tests")
    one_person: bool = Field(default=False, description="the person who submitted an import may approve it (demo only)")
    body_cache_mb: int = Field(
        default=64, description="finished answers kept in each API process, in megabytes; 0: none"
    )
    prefill_open: bool = Field(
        default=False, description="online forms are filled from the register in production too (the demo always does)"
    )
    clamd_socket: Path | None = Field(
        default=None, description="unix socket of ClamAV's daemon; empty: papers are not scanned"
    )
    registration_required: bool = Field(
        default=False, description="a dossier that changes the register is closed only with its registration"
    )
    public_address: str = Field(
        default="", description="address of the citizens' page, printed in QR codes; empty: that of the request"
    )
    max_upload_mb: int = Field(default=2048, description="largest upload, in megabytes")

    @property
    def files_dir(self) -> Path:
        """Folder of uploaded files."""
        return Path(self.files) if self.files else self.data / "files"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
