"""By which method a design was asked for.

Revision: 0005_design_method
Before: 0004_job_results
Purpose: the front around a design is drawn from what answered it, and a request can be repeated as it was.
Going back loses: the methods; designs stay.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_design_method"
down_revision = "0004_job_results"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("designs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("method", sa.String(length=16), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("designs", schema=None) as batch_op:
        batch_op.drop_column("method")
