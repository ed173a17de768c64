"""What was sampled while people worked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "sample",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("section", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("quality", sa.Text, nullable=False),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("milliseconds", sa.BigInteger),
        sa.Column("payload_bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="sample_pk"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="sample_run_id_fk"),
    )
    op.create_index("sample_run_id_index", "sample", ["run_id"])
