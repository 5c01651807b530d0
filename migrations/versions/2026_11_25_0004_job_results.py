"""What a job measured, beside what was predicted.

Revision: 0004_job_results
Before: 0003_jobs
Purpose: every job ends by comparing the two, and the comparison is kept.
Going back loses: the comparisons; reports and measurements stay.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_job_results"
down_revision = "0003_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("result", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_column("result")
