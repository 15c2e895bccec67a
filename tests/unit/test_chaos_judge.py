"""The judge of the chaos runs finds what it is there to find: a harness that approves of everything shows nothing."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import cast

import attrs
import pytest

from chaos.blows import Blow, PaidCall, hit_in_flight, paid_calls
from chaos.checker import Evidence, Verdict, judge
from chaos.run import in_flight_share, most_charges
from chaos.store import OnDisk
from chaos.watcher import Seen, Watcher

JOB = "ab" * 16


def a_call(name: str = "c1", *, at: float = 100.0, ended_at: float = 101.0, caller: str = "0001") -> PaidCall:
    return PaidCall(id=name, prompt="a prompt", caller=caller, charged_at=at, ended_at=ended_at)


def a_kill(at: float = 100.5, *, caller: str = "0001", kind: str = "kill", until: float | None = None) -> Blow:
    return Blow(at=at, until=until or at, kind=kind, unit="worker", caller=caller)


def judged(
    *calls: PaidCall,
    blows: tuple[Blow, ...] = (),
    stored: tuple[str, ...] = ("c1",),
    status: str = "finished",
    ended_at: float = 110.0,
    lives: tuple[tuple[float, float], ...] = ((0.0, 1e9),),
    watched: Mapping[str, object] | None = None,
    unnamed: int = 0,
    changes: Sequence[tuple[float, str, int, str]] = (),
    orphans: tuple[str, ...] = (),
) -> Verdict:
    watcher = SimpleNamespace(
        seen={JOB: Seen(status=status, ended_at=ended_at, changes=list(changes))},
        period_s=0.05,
        **{"probes": 1, "regressions": [], "bad_pictures": [], "bad_answers": [], "probed": [], **(watched or {})},
    )
    pictures: list[object] = [{}] if status == "finished" else []
    failure = {"code": "worker_crash"} if status == "failed" else None
    return judge(
        Evidence(
            accepted={JOB: "a prompt"},
            details={JOB: {"status": status, "images": pictures, "failure": failure}},
            watcher=cast("Watcher", watcher),
            calls=calls,
            blows=blows,
            disk=OnDisk(
                calls={JOB: list(stored)} if stored else {},
                pictures={JOB: len(stored)} if stored else {},
                bad=[],
                temporary=unnamed,
            ),
            orphans=orphans,
            lease_s=3.0,
            lives=lives,
        )
    )


def test_a_job_paid_for_once_and_finished_is_as_promised() -> None:
    verdict = judged(a_call())

    assert verdict.violations == []
    assert (verdict.figures["charges"], verdict.figures["pictures"], verdict.figures["in_flight_crashes"]) == (1, 1, 0)


def test_a_second_charge_is_right_only_when_a_kill_hit_the_first_call_in_flight() -> None:
    calls = (a_call("c0"), a_call("c1", at=104.0, ended_at=105.0))

    assert judged(*calls, blows=(a_kill(),)).violations == []
    assert judged(*calls, blows=(a_kill(),)).figures["in_flight_crashes"] == 1
    assert judged(*calls).violations
    assert judged(*calls, blows=(a_kill(caller="0002"),)).violations
    assert judged(*calls, blows=(a_kill(at=90.0),)).violations
    assert judged(*calls, blows=(a_kill(kind="term"),)).violations


def test_a_kill_long_after_the_answer_explains_a_second_charge_only_while_nobody_went_on() -> None:
    first = a_call("c0", at=100.0, ended_at=101.0)

    assert judged(first, a_call("c1", at=130.0), blows=(a_kill(at=108.0),), ended_at=131.0).violations == []
    assert judged(first, a_call("c1", at=107.0), blows=(a_kill(at=108.0),)).violations
    earlier = (a_kill(at=99.0), a_kill(at=108.0))
    assert judged(first, a_call("c1", at=130.0), blows=earlier, ended_at=131.0).violations == []


def test_what_the_fake_read_before_the_next_process_was_ready_the_killed_one_had_sent() -> None:
    calls = (a_call("c0", at=103.0, ended_at=104.0), a_call("c1", at=107.0, ended_at=108.0))
    kill = a_kill(at=100.5)

    assert judged(*calls, blows=(kill,)).violations
    assert judged(*calls, blows=(attrs.evolve(kill, back_at=105.0),), ended_at=108.0).violations == []


def test_a_frozen_workers_answer_may_be_the_one_that_is_stored() -> None:
    calls = (a_call("c0"), a_call("c1", at=104.0, ended_at=105.0))

    assert judged(*calls, blows=(a_kill(kind="freeze", until=106.0),), stored=("c0",)).violations == []


def test_two_charges_for_one_crash_in_flight_are_one_too_many() -> None:
    calls = (a_call("c0"), a_call("c1", at=104.0, ended_at=105.0), a_call("c2", at=106.0, ended_at=107.0))

    assert judged(*calls, blows=(a_kill(),), stored=("c2",)).violations


@pytest.mark.parametrize("status", ["queued", "started", "unreachable"])
def test_an_accepted_job_that_did_not_end_is_lost(status: str) -> None:
    verdict = judged(status=status, stored=())

    assert verdict.figures["lost"] == 1
    assert verdict.concerned == [JOB]


def test_a_stored_picture_of_a_failed_job_was_thrown_away() -> None:
    assert any("thrown away" in sentence for sentence in judged(a_call(), status="failed").violations)


def test_a_finished_job_without_its_picture_is_a_lie() -> None:
    assert any("0 stored" in sentence for sentence in judged(stored=()).violations)


@pytest.mark.parametrize("kind", ["regressions", "bad_pictures", "bad_answers", "probed"])
def test_whatever_the_watcher_saw_is_a_violation(kind: str) -> None:
    assert judged(a_call(), watched={kind: [f"job {JOB}: something"]}).violations


def test_a_late_take_over_counts_only_while_one_worker_was_there() -> None:
    calls = (a_call("c0"), a_call("c1", at=112.0, ended_at=113.0))

    late = judged(*calls, blows=(a_kill(),), ended_at=113.0)
    unserved = judged(*calls, blows=(a_kill(),), ended_at=113.0, lives=((90.0, 100.5), (110.0, 1e9)))

    assert late.figures["takeover_gap_max_s"] == 11.5
    assert late.violations
    assert (unserved.figures["takeover_gap_max_s"], unserved.violations) == (2.0, [])


def test_a_take_over_whose_worker_is_killed_before_its_call_was_one() -> None:
    calls = (a_call("c0"), a_call("c1", at=112.0, ended_at=113.0))
    changes = [(100.1, "started", 1, "list"), (104.0, "started", 2, "list")]

    verdict = judged(*calls, blows=(a_kill(), a_kill(104.1, caller="0002")), ended_at=113.0, changes=changes)

    assert (verdict.figures["takeover_gap_max_s"], verdict.violations) == (3.5, [])


def test_whatever_a_repair_finds_is_a_violation_and_what_it_overlooks_too() -> None:
    assert judged(a_call(), unnamed=1, orphans=("temporary-file x: left",)).figures["orphans"] == 1
    assert any("orphan" in sentence for sentence in judged(a_call(), orphans=("x",)).violations)
    assert any("finds less" in sentence for sentence in judged(a_call(), unnamed=1).violations)


def test_a_run_in_which_nobody_could_look_for_lost_leases_shows_nothing() -> None:
    assert any("shows too little" in sentence for sentence in judged(a_call(), watched={"probes": 0}).violations)


def test_kills_that_hit_nothing_show_nothing() -> None:
    verdict = judged(a_call(), blows=(a_kill(at=500.0),))
    in_flight_share(0.2)(cast("Evidence", None), verdict)

    assert verdict.figures["kills_in_flight"] == 0
    assert verdict.violations


def test_the_cap_on_charges_is_checked() -> None:
    calls = (a_call("c0"), a_call("c1", at=104.0, ended_at=105.0))
    verdict = judged(*calls, blows=(a_kill(),))
    most_charges(1)(cast("Evidence", None), verdict)

    assert verdict.violations


def test_calls_are_read_from_the_log_of_the_fake_as_it_was_left() -> None:
    charge = {"event": "charge", "call": "c1", "prompt": "a prompt", "caller": "0001", "time": 100.0}
    answered = {"event": "call", "call": "c1", "time_out": 101.0}
    refused = {"event": "call", "call": "c2", "time_out": 101.0}

    assert paid_calls([charge, answered, refused]) == [a_call()]
    (running,) = paid_calls([charge])
    assert hit_in_flight(a_kill(at=1e6), [running]) == [running]
