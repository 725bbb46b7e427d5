"""What operators and their tools ask: is it alive, is it ready, what has it done.

Layout:

    health.py            `/health/live` and `/health/ready`
    provided_metrics.py  the metrics of modules, checked
    metrics.py           `/metrics`
    module.py            the module `ops`, which adds them
"""

from dskity.modules.ops.module import OpsModule

__all__ = ["OpsModule"]
