"""Start: the program of every starter. A module of its own, so that steps and program share one `StepFailed`."""

from __future__ import annotations

from service.worker.starter import main

if __name__ == "__main__":
    main()
