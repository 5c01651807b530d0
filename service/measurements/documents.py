"""Measurements and what they did, as documents."""

from __future__ import annotations

from design.zoo import NETWORKS
from predictors.adapt import Adaptation
from predictors.adapted_column import Errors
from service.measurements.adaptations import Adapted
from service.measurements.schemas import (
    AdaptationDocument,
    ErrorFigures,
    FigureErrors,
    FigureVerdict,
    MeasurementDocument,
)
from service.measurements.sources import genotype_of
from service.models import MeasurementRow


def measurement_document(row: MeasurementRow, verdicts: tuple[FigureVerdict, ...]) -> MeasurementDocument:
    """One row."""
    return MeasurementDocument(
        id=row.id,
        created_at=row.created_at,
        name=row.name,
        task=row.task,
        network=row.name if row.name in NETWORKS else None,
        genotype=genotype_of(row.source),
        latency_ms=row.latency_ms,
        energy_mj=row.energy_mj,
        measured_at=row.measured_at,
        note=row.note,
        verdicts=verdicts,
    )


def adaptation_document(found: Adapted) -> AdaptationDocument:
    """What the measurements of a device did."""
    own: Adaptation = found.adaptation
    return AdaptationDocument(
        count=found.count,
        digest=found.digest,
        energy_model=own.energy_model,
        latency=FigureErrors(before=_errors(own.latency_before), after=_errors(own.latency_after)),
        energy=FigureErrors(before=_errors(own.energy_before), after=_errors(own.energy_after)),
        advice=own.advice,
    )


def _errors(found: Errors | None) -> ErrorFigures | None:
    if found is None:
        return None
    return ErrorFigures(
        count=found.count, median_error=found.mape_median, within_10=found.within_10, spearman=found.srcc
    )
