"""How the UI names what this package defines, so that runs of the command line stand under the same job as its own.

The timeline leaves out a run without an origin, and a job's page asks for runs of its repository.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

DEFINITIONS = "recs_platform.definitions"


def job_origin(job: str) -> RemoteJobOrigin:
    """Where the UI finds the job: the code location is named for the module, as in `workspace.yaml` and `recs ui`."""
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=DEFINITIONS)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=DEFINITIONS)
    return RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME).get_job_origin(job)


@contextmanager
def runs_under(instance: dg.DagsterInstance, job: str) -> Generator[None, None, None]:
    """Runs that the body creates carry the origin of the job; Dagster gives those of `execute_in_process` none."""
    name = "create_run_for_job"
    setattr(instance, name, partial(instance.create_run_for_job, remote_job_origin=job_origin(job)))
    try:
        yield
    finally:
        delattr(instance, name)
