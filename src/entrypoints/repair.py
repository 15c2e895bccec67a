"""The command `imaging repair`: jobs and pictures compared, over either mode's jobs; imports the container and the core."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from adapters.sqlite.database import DATABASE_FILE
from entrypoints.container.embedded import EmbeddedPorts
from entrypoints.container.service import ServiceContainer
from entrypoints.lifespan import redis_ports
from entrypoints.settings import Settings, SettingsError
from imaging_core.ports import JobRepository
from imaging_core.repair import YOUNG_S, Repair, RepairReport


async def run_repair(settings: Settings, *, mend: bool, now: bool, embedded: bool, as_json: bool) -> int:
    """Print what is wrong; 0 when nothing is wrong any more, else 1. Raises Unavailable, SettingsError."""
    alone = embedded or settings.redis_url is None
    # Written by the embedded mode alone, so it tells that the data folder has jobs of its own.
    has_database = (settings.data_dir / DATABASE_FILE).exists()
    if alone and not has_database:
        raise SettingsError(
            f"IMAGING_DATA_DIR: there are no jobs in {settings.data_dir}. Set it to the folder that `imaging up` uses, "
            "or set IMAGING_REDIS_URL."
        )
    async with _jobs(settings, alone=alone) as jobs:
        repair = Repair(
            jobs,
            ServiceContainer(settings=settings).store(),
            mend=mend,
            young_s=0.0 if now else YOUNG_S,
            # Both modes keep their pictures in the same place by default, and neither knows the other's jobs.
            keep_unknown="both a Redis and an embedded database use this folder, and they may be the other one's jobs'."
            if has_database and settings.redis_url is not None
            else None,
        )
        report = await repair.run()
    sys.stdout.write(_as_json(report) if as_json else _as_text(report))
    return 0 if report.clean else 1


@asynccontextmanager
async def _jobs(settings: Settings, *, alone: bool) -> AsyncIterator[JobRepository]:
    if alone:
        ports = EmbeddedPorts(settings=settings)
        database = ports.database()
        # The lock is taken: a running service is named, and nothing changes under our hands.
        await database.open()
        try:
            yield ports.jobs()
        finally:
            await database.close()
        return
    async with redis_ports(settings) as shared:
        yield shared.jobs()


def _as_json(report: RepairReport) -> str:
    body = {
        "clean": report.clean,
        "found": len(report.findings),
        "mended": sum(finding.mended for finding in report.findings),
        "jobs": report.jobs,
        "pictures": report.pictures,
        "left_alone": report.left_alone,
        "findings": [attrs.asdict(finding) for finding in report.findings],
    }
    return json.dumps(body) + "\n"


def _as_text(report: RepairReport) -> str:
    lines = [
        f"{'mended' if finding.mended else 'found '} {finding.kind} {finding.subject}: {finding.message}"
        for finding in report.findings
    ]
    if report.left_alone:
        lines.append(
            f"{report.left_alone} folders of unknown jobs are younger than an hour and were left alone (--now judges them)."
        )
    open_ones = sum(not finding.mended for finding in report.findings)
    lines.append(
        f"{report.jobs} finished jobs with {report.pictures} pictures were looked at: "
        + (f"{open_ones} things are wrong." if open_ones else "nothing is wrong.")
    )
    return "\n".join(lines) + "\n"
