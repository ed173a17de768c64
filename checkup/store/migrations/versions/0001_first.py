"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

UTC = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "visit",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("visit", sa.Text, nullable=False),
        sa.Column("opened_at", UTC, nullable=False),
        sa.Column("closed_at", UTC),
        sa.Column("open_as", sa.Text),
        sa.PrimaryKeyConstraint("id", name="visit_pk"),
        sa.UniqueConstraint("site", "open_as", name="visit_site_open_as_unique"),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("visit_id", sa.Integer, nullable=False),
        sa.Column("visit", sa.Text, nullable=False),
        sa.Column("started_at", UTC, nullable=False),
        sa.Column("finished_at", UTC),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tool_version", sa.Text, nullable=False),
        sa.Column("site_json", sa.LargeBinary, nullable=False),
        sa.Column("plan_json", sa.LargeBinary, nullable=False),
        sa.Column("station_json", sa.LargeBinary, nullable=False),
        sa.Column("owner_host", sa.Text, nullable=False),
        sa.Column("owner_pid", sa.Integer, nullable=False),
        sa.Column("owner_started_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name="run_pk"),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.id"], name="run_visit_id_fk"),
    )
    op.create_index("run_site_started_at_index", "run", ["site", "started_at"])
    op.create_index("run_visit_id_index", "run", ["visit_id"])
    op.create_table(
        "script",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="script_pk"),
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("transport", sa.Text, nullable=False),
        sa.Column("at", UTC, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("sent_bytes", sa.BigInteger, nullable=False),
        sa.Column("returned_bytes", sa.BigInteger),
        sa.Column("ended_at", UTC),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="ledger_pk"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="ledger_run_id_fk"),
        sa.ForeignKeyConstraint(["sha256"], ["script.sha256"], name="ledger_sha256_fk"),
    )
    op.create_index("ledger_run_id_index", "ledger", ["run_id"])
    op.create_table(
        "endpoint_snapshot",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("started_at", UTC, nullable=False),
        sa.Column("finished_at", UTC, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("noise_bytes", sa.BigInteger, nullable=False),
        sa.Column("details", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="endpoint_snapshot_pk"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="endpoint_snapshot_run_id_fk"),
        sa.UniqueConstraint("run_id", "endpoint", name="endpoint_snapshot_run_id_endpoint_unique"),
    )
    op.create_table(
        "section_snapshot",
        sa.Column("endpoint_snapshot_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("section", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("quality", sa.Text, nullable=False),
        sa.Column("collected_at", UTC, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("milliseconds", sa.BigInteger),
        sa.Column("payload_bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("endpoint_snapshot_id", "position", name="section_snapshot_pk"),
        sa.ForeignKeyConstraint(
            ["endpoint_snapshot_id"],
            ["endpoint_snapshot.id"],
            name="section_snapshot_endpoint_snapshot_id_fk",
        ),
    )
    op.create_table(
        "identity",
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("pinned_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("site", "endpoint", name="identity_pk"),
    )
    op.create_table(
        "assessment",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("visit_id", sa.Integer, nullable=False),
        sa.Column("clock", UTC, nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("tool_version", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="assessment_pk"),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.id"], name="assessment_visit_id_fk"),
    )
    op.create_index("assessment_visit_id_index", "assessment", ["visit_id"])
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("assessment_id", sa.Integer, nullable=False),
        sa.Column("at", UTC, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("how", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="delivery_pk"),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessment.id"], name="delivery_assessment_id_fk"),
    )
    op.create_index("delivery_assessment_id_index", "delivery", ["assessment_id"])
