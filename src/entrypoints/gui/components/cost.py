"""What a form would come to if it were sent now: price, time, what stands in the way; imports Streamlit and the client."""

import streamlit as st

from entrypoints.client import BackendInfo, ClientError, Estimate
from entrypoints.gui import draft, remote
from entrypoints.gui.components import problems
from entrypoints.gui.words import credit_sum, duration, number, place, plain
from imaging_core.capabilities import Capabilities
from imaging_core.images import Operation, OptionValue, plan_calls


def cost(
    info: BackendInfo,
    form: Capabilities,
    wanted: draft.Draft,
    operation: Operation,
    *,
    notice: bool = True,
    **about: OptionValue | None,
) -> None:
    """One line, and a warning for each thing that stands in the way; `about` is what an estimate wants to know of the picture."""
    found = _estimate(info.name, wanted, operation, about)
    told = []
    if form.paid:
        calls = found.calls if found else len(plan_calls(wanted.request))
        price = found.credits if found else form.price(wanted.request)
        sum_ = f" ({calls} × {number(price / calls)})" if calls > 1 else ""
        told.append(f"Costs **{credit_sum(price)}**{sum_}.")
    told += _time(info, found)
    if form.notice and notice:
        told.append(plain(form.notice))
    if told:
        st.caption(" ".join(told))
    told_already = problems.of(form.backend).values()
    for obstacle in found.obstacles if found else ():
        # That it does not answer is said above the form, and for as long as it is so.
        if obstacle.code != "backend_unreachable" and obstacle.message not in told_already:
            waits = "" if obstacle.refuses else " Jobs can be queued all the same; they wait until then."
            st.warning(plain(obstacle.message + waits), icon=":material/hourglass_top:")


def _time(info: BackendInfo, found: Estimate | None) -> list[str]:
    if found is not None and found.queue_position > 1:
        # For how long a backend stands still, nobody knows.
        moves = info.answers and info.paused is None
        eta = f", done in about {duration(found.eta_s)}" if moves and found.eta_s is not None else ""
        return [f"It would be {place(found.queue_position)}{eta}."]
    return [f"Usually takes about {duration(info.mean_run_s)}."] if info.mean_run_s else []


def _estimate(
    backend: str, wanted: draft.Draft, operation: Operation, about: dict[str, OptionValue | None]
) -> Estimate | None:
    """What the service says; None while it says nothing, or when the form is not right yet."""
    settings = {**wanted.settings, **about}
    if operation is not Operation.GENERATE:
        settings["operation"] = str(operation)
    # Neither price nor time hangs on the words, which may not be there yet.
    settings.pop(draft.NEGATIVE_PROMPT, None)
    try:
        return remote.estimate(backend, "picture" if wanted.takes_prompt else "", tuple(sorted(settings.items())))
    except ClientError:
        return None
