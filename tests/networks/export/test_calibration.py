"""Ranges are those of the pictures, the same each time, and a share of outliers can be cut."""

from __future__ import annotations

import pytest
import torch

from design.design import Design
from design.policies import policy_by_role
from design.precision import precision
from design.task import find_task
from design.zoo import find_network
from networks.export.calibration import CalibrationOptions, InvalidCalibration, Method, calibrate
from networks.export.grid import Grid, grid_of, grid_over
from networks.export.integer import needs_ranges
from networks.network import Network
from networks.quantizers.learned_step import LearnedStepActivations
from tests.networks.export.worn import weight_of, worn


def _network() -> Network:
    architecture = find_network("resnet20").design(find_task("digits")).architecture
    policy = policy_by_role(architecture, body=precision(8), edge=precision(8))
    return worn(Design(architecture=architecture, policy=policy))


def test_ranges_are_those_of_what_kernels_write() -> None:
    network, images = _network(), torch.randn(8, 1, 8, 8)
    found = calibrate(network, [images[:4], images[4:]])
    assert tuple(found) == needs_ranges(network)
    seen: list[torch.Tensor] = []
    handle = network.unit("stage2.block1.conv2").register_forward_hook(lambda *given: seen.append(given[2]))
    with torch.no_grad():
        network(images)
    handle.remove()
    own = found["stage2.block1.conv2"]
    assert own.low == pytest.approx(float(seen[0].min()), abs=1e-6)
    assert own.high == pytest.approx(float(seen[0].max()), abs=1e-6)
    assert found == calibrate(network, [images[:4], images[4:]])


def test_a_convolution_that_one_layer_reads_needs_no_range() -> None:
    needed = needs_ranges(_network())
    assert "stage1.block1.conv1" not in needed  # conv2 reads it alone
    assert "stage1.block1.conv2" in needed  # a sum reads it
    assert "stem.conv" in needed  # a convolution and a sum read it


def test_percentiles_cut_outliers() -> None:
    network = _network()
    images = torch.randn(8, 1, 8, 8)
    images[0, 0, 0, 0] = 1e4
    whole = calibrate(network, [images])["stem.conv"]
    cut = calibrate(network, [images], CalibrationOptions(method=Method.PERCENTILE, share=0.99))["stem.conv"]
    assert 0 < cut.high < whole.high / 5  # what the stem reads is cut by its own quantizer
    with pytest.raises(InvalidCalibration, match=r"share.*0\.3"):
        CalibrationOptions(share=0.3)


def test_no_pictures_and_values_that_are_no_numbers_are_refused() -> None:
    network = _network()
    with pytest.raises(InvalidCalibration, match="at least one picture"):
        calibrate(network, [])
    with torch.no_grad():
        weight_of(network, "stem.conv")[0] = float("nan")
    with pytest.raises(InvalidCalibration, match=r"finite.*'stem\.conv'"):
        calibrate(network, [torch.randn(2, 1, 8, 8)])


def test_grids_hold_zero_and_both_ends() -> None:
    for low, high in ((-1.0, 3.0), (0.5, 3.0), (-2.0, -1.0), (0.0, 0.0)):
        grid = grid_over(low, high)
        assert 0 <= grid.zero <= 255
        assert grid.smallest - grid.step <= min(low, 0)
        assert max(high, 0) <= grid.largest + grid.step


@pytest.mark.parametrize(
    ("bits", "unsigned", "codes"), [(8, True, (0, 255)), (8, False, (0, 255)), (2, False, (126, 129))]
)
def test_grids_of_learned_steps_are_their_levels(bits: int, unsigned: bool, codes: tuple[int, int]) -> None:
    quantizer = LearnedStepActivations(bits, unsigned=unsigned)
    x = torch.randn(1, 1, 100, 100).abs() if unsigned else torch.randn(1, 1, 100, 100)
    levels = quantizer(x)
    grid = grid_of(quantizer)
    assert (grid.low, grid.high) == codes
    found = (x / grid.step).round().add(grid.zero).clamp(grid.low, grid.high)
    torch.testing.assert_close((found - grid.zero) * grid.step, levels)
    assert grid.within(Grid(step=grid.step, zero=grid.zero))
    assert not Grid(step=grid.step, zero=grid.zero, low=0, high=255).within(Grid(step=grid.step, zero=1))
