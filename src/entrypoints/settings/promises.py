"""Settings behind the promises: leases, attempts, limits, retention; imports pydantic and the core's policies."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, model_validator

from imaging_core.policies import InDoubt, RetryPolicy, RunLimits
from imaging_core.ports import QueueLimits


class PromiseSettings(BaseModel):
    """How long, how often and how many. Times in s."""

    lease_s: PositiveFloat = Field(default=15.0, description="Silence after which a worker's job is anybody's.")
    heartbeat_s: PositiveFloat = Field(default=5.0, description="Time between two signs of life of a job.")
    sweep_s: PositiveFloat = Field(default=2.0, description="Time between two sweeps for lost work.")
    run_timeout_s: PositiveFloat = Field(default=600.0, description="Longest time of one attempt.")
    max_wait_s: PositiveFloat | None = Field(default=None, description="Longest time from submit to the end.")
    max_attempts: PositiveInt = Field(default=3, description="Attempts before a job fails.")
    retry_delay_s: PositiveFloat = Field(default=2.0, description="Wait before the second attempt; doubles each time.")
    patience_s: PositiveFloat = Field(default=900.0, description="How long a job waits for a backend that is away.")
    max_paid_calls: PositiveInt = Field(default=2, description="Paid calls for one picture, whatever happens.")
    on_crash: InDoubt = Field(default=InDoubt.RETRY, description="A paid call cut off by a crash: retry or fail.")
    on_lost: InDoubt = Field(default=InDoubt.FAIL, description="A paid call without an answer: retry or fail.")
    max_queued: PositiveInt | None = Field(default=10_000, description="Waiting jobs per backend before 503.")
    max_queued_per_key: PositiveInt | None = Field(
        default=2_500, description="Waiting jobs per backend of one key before 429."
    )
    grace_s: float = Field(
        default=20.0, ge=0, description="Time running jobs get at a stop before they are handed over."
    )
    keep_days: PositiveFloat | None = Field(
        default=None, le=36_500, description="Days after which ended jobs are deleted with their pictures."
    )

    @model_validator(mode="after")
    def _beats_within_the_lease(self) -> "PromiseSettings":
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError(
                f"IMAGING_HEARTBEAT_S must be at most half of IMAGING_LEASE_S ({self.lease_s:g} s), or one lost beat "
                "gives a running job away"
            )
        return self

    @property
    def run_limits(self) -> RunLimits:
        """The numbers behind the promises."""
        names = (
            "lease_s",
            "heartbeat_s",
            "sweep_s",
            "run_timeout_s",
            "max_wait_s",
            "max_paid_calls",
            "on_crash",
            "on_lost",
        )
        return RunLimits(**{name: getattr(self, name) for name in names})

    @property
    def retry_policy(self) -> RetryPolicy:
        """When a failed attempt is worth another."""
        return RetryPolicy(max_attempts=self.max_attempts, first_delay_s=self.retry_delay_s, patience_s=self.patience_s)

    @property
    def queue_limits(self) -> QueueLimits:
        """How many jobs may wait, in all and of one caller."""
        return QueueLimits(max_queued=self.max_queued, max_queued_per_owner=self.max_queued_per_key)
