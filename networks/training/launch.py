"""Launch: processes of this machine that train one network together, started by torch's elastic launcher."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from networks.training.errors import RankFailed

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def launch(function: Callable[..., Any], *arguments: Any, processes: int) -> Any:
    """Call a function in several new processes at once, which meet through `Ranks.joined`; the result of the first.

    To be called in the main thread.

    Args:
        function: At the top of a module.
        *arguments: Given to it, pickled.
        processes: How many.

    Raises:
        RankFailed: One of them failed; the others were ended.
    """
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=secrets.token_hex(8),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    before = {number: signal.getsignal(number) for number in HANDLED}
    try:
        return elastic_launch(config, function)(*arguments)[0]
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        must = "all processes of a training must end well"
        raise RankFailed(must, f"{failure.message} in number {number}") from error
    finally:
        for number, handler in before.items():  # the launcher leaves its own
            signal.signal(number, handler)
