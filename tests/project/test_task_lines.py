"""What lines say of the task they belong to."""

import structlog
from celery import Celery, Task
from structlog.contextvars import bound_contextvars, get_contextvars

from project import task_lines

task_lines.connect()
app = Celery("toy", broker="memory://localhost/", set_as_current=False)
seen: list[dict] = []


@app.task(name="toy.look")
def look(fail: bool = False) -> None:
    seen.append(dict(get_contextvars()))
    if fail:
        raise ValueError


def run(task: Task, *arguments: object, queue: str = "maintenance") -> None:
    """As a worker does it, in this thread."""
    from celery.app.trace import build_tracer

    trace = build_tracer(task.name, task, app=app)
    trace("id-1", list(arguments), {}, {"delivery_info": {"routing_key": queue}, "id": "id-1"})


def test_a_line_says_which_task_of_which_queue():
    seen.clear()
    run(look, queue="webhooks")
    assert seen == [{"task": "toy.look", "task_id": "id-1", "queue": "webhooks"}]


def test_the_thread_forgets_it_afterwards_whatever_became_of_it():
    for fail in (False, True):
        run(look, fail)
        assert get_contextvars() == {}


def test_what_was_bound_before_is_there_again():
    with bound_contextvars(task="outer", request_id="r"):
        run(look)
        assert get_contextvars() == {"task": "outer", "request_id": "r"}
    structlog.contextvars.clear_contextvars()
