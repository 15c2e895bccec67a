"""From a submit's body to the request it stands for; imports pydantic, the body models and the core's values."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from entrypoints.api.priorities import Word
from entrypoints.api.problems import field_problems
from entrypoints.api.submissions import LocalSubmission, StabilitySubmission, Submission
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.images import CANONICAL, ImageRequest, OptionValue, request_of_values
from imaging_core.webhooks import Webhook, WebhookEvent

#: Field names that people's clients send, and the canonical ones.
ALIASES: Mapping[str, str] = {"model": "checkpoint", "sampler_name": "sampler", "n": "count"}

#: Fields about the job rather than about its pictures.
_OF_THE_JOB = frozenset({"backend", "keep_days", "priority", "webhook", "webhook_events"})

#: Field names of which every backend has some: the shared ones, what clients call them, and the options of the engines.
_VOCABULARY = (
    frozenset({*CANONICAL, *ALIASES, "n_iter"}).union(
        *(model.model_fields for model in (StabilitySubmission, LocalSubmission))
    )
    - _OF_THE_JOB
)

#: How many unknown fields get a suggestion, and how long a name may be for it: looking for neighbours is not cheap.
_MOST_SUGGESTIONS = 3
_LONGEST_NAME = 64


class SubmittedFields:
    """A body's fields, sorted into those its model knows and those that only the backend may know."""

    def __init__(self, body: object, model: type[Submission]) -> None:
        """Raises InvalidRequest for a body that is no object."""
        if not isinstance(body, dict):
            raise InvalidRequest([FieldProblem(field="", message="The body must be a JSON object.")])
        present = {name: value for name, value in body.items() if value is not None}
        known = {name: value for name, value in present.items() if name in model.model_fields}
        #: Fields that the model does not know.
        self.further: Mapping[str, object] = {n: v for n, v in present.items() if n not in known}
        backend = known.get("backend")
        #: The backend the body names, if any.
        self.backend = backend if isinstance(backend, str) else None
        #: Names that nobody knows, once the request was asked for; they are the caller's own, and told to nobody.
        self.unknown: frozenset[str] = frozenset()
        #: For each canonical field, the name under which it was sent.
        self.sent: dict[str, str] = {}
        #: How long to keep the job, in days, if the body says so.
        self.keep_days: float | None = None
        #: How urgent the job is, if the body says so.
        self.priority: Word | None = None
        #: Whom to tell of the job's end, if the body says so.
        self.webhook: Webhook | None = None
        self._model = model
        self._problems: list[FieldProblem] = []
        self._fields: Mapping[str, Any] = {}
        try:
            fields = model.model_validate(known)
            self._fields = {name: getattr(fields, name) for name in known if name not in _OF_THE_JOB}
            self.keep_days = fields.keep_days
            self.priority = fields.priority
            self.webhook = self._hook(fields)
        except ValidationError as error:
            # Inputs stay out of it: they may be prompts, and may hold what no answer can be encoded with.
            self._problems += field_problems(error.errors(include_url=False, include_input=False))

    def request(self, settings: Iterable[str] = ()) -> ImageRequest:
        """The request; `settings` are the names that the backend lists.

        Raises InvalidRequest that names every field which is wrong.
        """
        values = self._canonical({**self._fields, **self._further(frozenset(settings))})
        if values.get("seed") in self._model.random_seeds:
            del values["seed"]
        self._count(values)
        if self._problems:
            raise InvalidRequest(self._problems)
        return request_of_values(values)

    def as_sent(self, error: InvalidRequest) -> InvalidRequest:
        """The same problems, under the field names that the caller used."""
        return InvalidRequest(
            [FieldProblem(field=self.sent.get(p.field, p.field), message=p.message) for p in error.problems]
        )

    def _further(self, settings: frozenset[str]) -> dict[str, OptionValue]:
        taken: dict[str, OptionValue] = {}
        unknown: list[str] = []
        for name, value in self.further.items():
            if ALIASES.get(name, name) not in settings and name in _VOCABULARY:
                # A word of the field's own, so that naming it repeats nothing that is the caller's.
                self._problems.append(FieldProblem(field=name, message="is not a setting of this backend."))
            elif ALIASES.get(name, name) not in settings:
                unknown.append(name)
            elif (option := _option(value)) is None:
                message = "must be text, a number, true or false, or a list of names."
                self._problems.append(FieldProblem(field=name, message=message))
            else:
                taken[name] = option
        if unknown:
            self.unknown = frozenset(unknown)
            self._problems.append(_unknown(unknown, sorted(settings.union(self._model.model_fields))))
        return taken

    def _hook(self, fields: Submission) -> Webhook | None:
        if fields.webhook is None:
            if fields.webhook_events is not None:
                message = "is of use only together with webhook, the URL to tell."
                self._problems.append(FieldProblem(field="webhook_events", message=message))
            return None
        events = fields.webhook_events
        return Webhook(
            url=fields.webhook, events=tuple(WebhookEvent) if events is None else [*map(WebhookEvent, events)]
        )

    def _canonical(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in given.items():
            canonical = ALIASES.get(name, name)
            if canonical in values and values[canonical] != value:
                message = f"must not differ from {self.sent[canonical]}, which means the same."
                self._problems.append(FieldProblem(field=name, message=message))
            values[canonical] = tuple(value) if isinstance(value, list) else value
            self.sent[canonical] = name
        return values

    def _count(self, values: dict[str, Any]) -> None:
        """SD WebUI's clients tell how many batches, and how many pictures in each."""
        if "n_iter" not in values and ("batch_size" not in values or "count" in values):
            return
        batches, in_each = values.pop("n_iter", None), values.get("batch_size", 1)
        total = (1 if batches is None else batches) * in_each
        if values.setdefault("count", total) != total:
            message = "must be n_iter x batch_size, or be left out."
            self._problems.append(FieldProblem(field=self.sent["count"], message=message))
        sent = [name for name, value in (("n_iter", batches), ("batch_size", values.get("batch_size"))) if value]
        self.sent["count"] = " x ".join(sent)


def _option(value: object) -> OptionValue | None:
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return None


def _unknown(names: list[str], known: list[str]) -> FieldProblem:
    """Says what is allowed, not what was sent: an unknown key may be anything, even the prompt."""
    close: dict[str, None] = {}
    for name in names[:_MOST_SUGGESTIONS]:
        if len(name) <= _LONGEST_NAME:
            close |= dict.fromkeys(difflib.get_close_matches(name.lower(), known, n=1))
    hint = f"Did you mean {' and '.join(close)}? " if close else ""
    fields = ", ".join(known)
    return FieldProblem(field="", message=f"There is a field that is not known here. {hint}The fields are: {fields}.")
