"""Marks runs of `airflow dags test` that were interrupted as failed, with their tasks: python -m fail_unfinished."""

from __future__ import annotations

from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, State, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select


def main() -> None:
    """Fail them; nothing else runs them any more, and a scheduler does not take them over."""
    begun = select(DagRun).where(
        DagRun.triggered_by == DagRunTriggeredByType.TEST, DagRun.state.in_(State.unfinished_dr_states)
    )
    with create_session() as session:
        for run in session.scalars(begun).all():
            for task in run.get_task_instances(session=session):
                if task.state is not None and task.state in State.unfinished:
                    task.set_state(TaskInstanceState.FAILED, session=session)
            run.set_state(DagRunState.FAILED)
            print(f"{run.run_id}: failed")


if __name__ == "__main__":
    main()
