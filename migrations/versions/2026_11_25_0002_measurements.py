"""Measurements of own devices, and what designs rest on.

Revision: 0002_measurements
Before: 0001_first_tables
Purpose: raw measurements, the device that an own one is a copy of, the state of a device's measurements.
Going back loses: all measurements, and what own devices are copies of.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_measurements"
down_revision = "0001_first_tables"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("origin", sa.String(length=120), nullable=True))
        batch_op.add_column(sa.Column("measured", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("measured_digest", sa.String(length=64), nullable=True))

    with op.batch_alter_table("designs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("measurements", sa.JSON(), nullable=True))

    op.create_table(
        "measurements",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("task", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=True),
        sa.Column("energy_mj", sa.Double(), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.CheckConstraint("latency_ms IS NOT NULL OR energy_mj IS NOT NULL", name="ck_measurements_figure"),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name="fk_measurements_device_id_devices", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_measurements"),
    )
    with op.batch_alter_table("measurements", schema=None) as batch_op:
        batch_op.create_index("ix_measurements_device_id_id", ["device_id", "id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("measurements", schema=None) as batch_op:
        batch_op.drop_index("ix_measurements_device_id_id")

    op.drop_table("measurements")
    with op.batch_alter_table("designs", schema=None) as batch_op:
        batch_op.drop_column("measurements")

    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.drop_column("measured_digest")
        batch_op.drop_column("measured")
        batch_op.drop_column("origin")
