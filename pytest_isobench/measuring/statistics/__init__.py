"""The statistics of a campaign: pure functions from numbers to intervals, verdicts and plans.

Differences, estimates and limits are logs throughout: ``theta_XY = log(t_X / t_Y)``, above zero when Y is the faster. Only `estimate`
and `rounded` deal in ratios. The replicate is the round; samples within a trial are never pooled as if they were independent.
"""

from pytest_isobench.measuring.statistics.contamination import Redo, contaminated, redo
from pytest_isobench.measuring.statistics.digits import rounded
from pytest_isobench.measuring.statistics.intervals import Interval, estimate, interval, narrow
from pytest_isobench.measuring.statistics.judging import hard_success, judge_agent, judge_gain, judge_task, settled
from pytest_isobench.measuring.statistics.planning import planned_rounds, underpowered
from pytest_isobench.measuring.statistics.rates import geometric_mean, wilson
from pytest_isobench.measuring.statistics.samples import opposed, ping_pong_difference, quantised, single_request, trial_value
from pytest_isobench.measuring.statistics.shares import Share, share_of_gain
from pytest_isobench.measuring.statistics.stopping import Look, alpha_at, looks, sequential_interval

__all__ = [
    "Interval",
    "Look",
    "Redo",
    "Share",
    "alpha_at",
    "contaminated",
    "estimate",
    "geometric_mean",
    "hard_success",
    "interval",
    "judge_agent",
    "judge_gain",
    "judge_task",
    "looks",
    "narrow",
    "opposed",
    "ping_pong_difference",
    "planned_rounds",
    "quantised",
    "redo",
    "rounded",
    "sequential_interval",
    "settled",
    "share_of_gain",
    "single_request",
    "trial_value",
    "underpowered",
    "wilson",
]
