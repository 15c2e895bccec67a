"""What `WebhookOutbox` promises about secrets (8), a part of its contract.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
import itertools

import pytest

from contracts.job_setting import RepositorySetting
from imaging_core.deliveries import fresh_secret
from imaging_core.outbox import WebhookOutbox
from imaging_core.ports import JobRepository


class WebhookSecretsContract(RepositorySetting):
    """Supply `outbox` beside what `RepositorySetting` asks for."""

    @pytest.fixture
    def outbox(self, repository: JobRepository) -> WebhookOutbox:
        """The outbox of `repository`."""
        raise NotImplementedError("supply the outbox to try")

    async def test_8_of_concurrent_first_calls_all_get_the_same_secret(self, outbox: WebhookOutbox) -> None:
        found = await asyncio.gather(*(outbox.secrets("alice", fresh=fresh_secret()) for _ in range(5)))

        assert len({secrets.current for secrets in found}) == 1
        assert {secrets.previous for secrets in found} == {None}

    async def test_8_owners_share_nothing(self, outbox: WebhookOutbox) -> None:
        owners = [None, "alice", "bob"]

        found = [(await outbox.secrets(owner, fresh=fresh_secret())).current for owner in owners]
        await outbox.rotate("alice", fresh=fresh_secret(), keep_s=1)

        assert all(a != b for a, b in itertools.combinations(found, 2))
        again = [(await outbox.secrets(owner, fresh=fresh_secret())).current for owner in owners]
        assert [a == b for a, b in zip(found, again, strict=True)] == [True, False, True]

    async def test_8_a_replaced_secret_signs_for_a_while_longer(
        self, repository: JobRepository, outbox: WebhookOutbox
    ) -> None:
        before = await outbox.secrets("alice", fresh="whsec_b2xk")

        rotated = await outbox.rotate("alice", fresh="whsec_bmV3", keep_s=2 * self.tick_s)

        assert rotated.current == "whsec_bmV3"
        assert rotated == await outbox.secrets("alice", fresh="whsec_bm9uZQ==")
        assert rotated.valid(await repository.now()) == ("whsec_bmV3", before.current)
        await self.ticks(2.2)
        assert rotated.valid(await repository.now()) == ("whsec_bmV3",)

    async def test_8_a_first_secret_may_come_by_rotation(self, outbox: WebhookOutbox) -> None:
        rotated = await outbox.rotate("carol", fresh="whsec_Zmlyc3Q=", keep_s=9)

        assert (rotated.current, rotated.previous) == ("whsec_Zmlyc3Q=", None)
        assert await outbox.secrets("carol", fresh="whsec_bm9uZQ==") == rotated
